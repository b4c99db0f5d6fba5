/*-------------------------------------------------------------------------
 *
 * refresh_token.h
 *	  The text of refresh tokens, and what a session keeps of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REFRESH_TOKEN_H
#define ANON_AUTH_REFRESH_TOKEN_H

#include "postgres.h"

#include "store/sessions.h"
#include "token/token.h"

/*
 * The tokens hold a secret.  The caller keeps them in secret_memory_alloc(), and wipes
 * them.
 */

/* Fill the first token of a session, with a new secret. */
extern void refresh_token_init(RefreshToken *token, const pg_uuid_t *user_id,
							   const pg_uuid_t *session_id);

/*
 * Read a token that was made under the current or a former master key.  Return false for
 * any other text.
 */
extern bool refresh_token_read(const char *text, size_t length, RefreshToken *token);

/* Return the text of a token, made under the current master key. */
extern char *refresh_token_write(const RefreshToken *token);

/* Copy the ids of the token's user and session. */
extern void refresh_token_ids(const RefreshToken *token, pg_uuid_t *user_id,
							  pg_uuid_t *session_id);

/*
 * Return whether this database made a token, and set *user_id to its user.  The session
 * and the user may be gone, so the secret in the token is not compared.
 */
extern bool refresh_token_user(const char *text, pg_uuid_t *user_id);

/* Fill hash with the hash of the token's secret, which the session's row has. */
extern void refresh_token_hash(const RefreshToken *token, uint8 hash[SECRET_HASH_LENGTH]);

/* Return whether the token has the secret of the session. */
extern bool refresh_token_matches(const RefreshToken *token, const Session *session);

#endif							/* ANON_AUTH_REFRESH_TOKEN_H */
