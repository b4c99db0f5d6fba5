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

/*
 * nonce and device_info are NULL if the request had none, hint_session_id is nil without a hint.
 * source_session_id is nil if the code was issued for a login.  session_id is nil and used_at is
 * 0 until the code is used.
 */
#define AUTHORIZATION_CODE_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, client_id) \
	COLUMN(TEXT, redirect_uri) \
	COLUMN(TEXT, code_challenge) \
	COLUMN(TEXT, nonce) \
	COLUMN(BOOL, offline_access) \
	COLUMN(JSONB, device_info) \
	COLUMN(TEXT, dpop_jkt) \
	COLUMN(TIMESTAMP, authenticated_at) \
	COLUMN(TEXT_LIST, amr) \
	COLUMN(TIMESTAMP, expires_at)

#define AUTHORIZATION_CODE_ROW_COLUMNS(COLUMN) \
	AUTHORIZATION_CODE_COLUMNS(COLUMN) \
	COLUMN(UUID, hint_session_id) \
	COLUMN(UUID, source_session_id) \
	COLUMN(UUID, session_id) \
	COLUMN(TIMESTAMP, used_at)

typedef struct AuthorizationCode
{
	AUTHORIZATION_CODE_ROW_COLUMNS(RECORD_FIELD)
} AuthorizationCode;

/* Insert a code that was not used yet. */
extern void authorization_codes_insert(const uint8 code_hash[SECRET_HASH_LENGTH],
									   const AuthorizationCode *code);

/* Read a code, expired or used or not.  False if this user has none with that hash. */
extern bool authorization_codes_find(const pg_uuid_t *user_id,
									 const uint8 code_hash[SECRET_HASH_LENGTH],
									 AuthorizationCode *code);

/*
 * Mark a code as used, with the session that it gave.  False if this user has no code
 * with that hash, or if it was used before.
 */
extern bool authorization_codes_use(const pg_uuid_t *user_id,
									const uint8 code_hash[SECRET_HASH_LENGTH],
									const pg_uuid_t *session_id, TimestampTz now);

/* Delete the codes of a user, except one that gave this session. */
extern void authorization_codes_delete_others(const pg_uuid_t *user_id,
											  const pg_uuid_t *session_id);

/* Delete all codes of a user. */
extern void authorization_codes_delete_all(const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_AUTHORIZATION_CODES_H */
