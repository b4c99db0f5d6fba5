/*-------------------------------------------------------------------------
 *
 * passwords.h
 *	  The table anon_auth.passwords.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORDS_H
#define ANON_AUTH_PASSWORDS_H

#include "postgres.h"

#include "store/record.h"

/* password_hash is an Argon2id string with its parameters and salt, or imported_hash_stored(). */
#define PASSWORD_COLUMNS(COLUMN) \
	COLUMN(TEXT, password_hash) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, updated_at)

typedef struct PasswordRow
{
	PASSWORD_COLUMNS(RECORD_FIELD)
} PasswordRow;

/* False if the user has no password. */
extern bool passwords_find(const pg_uuid_t *user_id, PasswordRow *password);

/* Store the first password of a user.  Raises 23505 if there is one. */
extern void passwords_insert(const pg_uuid_t *user_id, const char *hash, TimestampTz now);

/* Set a user's password, the first one or another one. */
extern void passwords_set(const pg_uuid_t *user_id, const char *hash, TimestampTz now);

/* Change a user's password, unless it has changed since its hash was read. */
extern void passwords_replace(const pg_uuid_t *user_id, const char *old_hash, const char *hash,
							  TimestampTz now);

/* Delete a user's password, if there is one. */
extern void passwords_delete(const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_PASSWORDS_H */
