/*-------------------------------------------------------------------------
 *
 * authorization_codes.h
 *	  The table anon_auth.authorization_codes (RFC 6749, section 4.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTHORIZATION_CODES_H
#define ANON_AUTH_AUTHORIZATION_CODES_H

#include "postgres.h"

#include "store/record.h"

/* nonce is NULL if the request had none. */
#define AUTHORIZATION_CODE_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, client_id) \
	COLUMN(TEXT, redirect_uri) \
	COLUMN(TEXT, code_challenge) \
	COLUMN(TEXT, nonce) \
	COLUMN(TIMESTAMP, authenticated_at) \
	COLUMN(TIMESTAMP, expires_at)

typedef struct AuthorizationCode
{
	AUTHORIZATION_CODE_COLUMNS(RECORD_FIELD)
} AuthorizationCode;

extern void authorization_codes_insert(const uint8 code_hash[SECRET_HASH_LENGTH],
									   const AuthorizationCode *code);

/* Read a code, expired or not.  False if this user has none with that hash. */
extern bool authorization_codes_find(const pg_uuid_t *user_id,
									 const uint8 code_hash[SECRET_HASH_LENGTH],
									 AuthorizationCode *code);

/* Delete a code.  False if this user has none with that hash. */
extern bool authorization_codes_take(const pg_uuid_t *user_id,
									 const uint8 code_hash[SECRET_HASH_LENGTH]);

/* Delete all codes of a user. */
extern void authorization_codes_delete_all(const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_AUTHORIZATION_CODES_H */
