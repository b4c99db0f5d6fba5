/*-------------------------------------------------------------------------
 *
 * refresh_token.c
 *	  The text of refresh tokens, and what a session keeps of them.
 *
 * A refresh token holds the ids of its user and session, a seed, and its
 * generation, the number of its rotations.  Its MAC proves that this database made
 * it.  The session's row holds a hash of the seed and the latest generation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/secret_memory.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "domain/refresh_token.h"
#include "keyring/master_key.h"

StaticAssertDecl(SECRET_HASH_LENGTH == crypto_hash_sha256_BYTES, "hash lengths differ");
StaticAssertDecl(TOKEN_ID_LENGTH == UUID_LEN, "id lengths differ");

void
refresh_token_init(RefreshToken *token, const pg_uuid_t *user_id, const pg_uuid_t *session_id)
{
	memset(token, 0, sizeof(RefreshToken));
	memcpy(token->user_id, user_id->data, UUID_LEN);
	memcpy(token->session_id, session_id->data, UUID_LEN);
	randombytes_buf(token->seed, sizeof(token->seed));
}

bool
refresh_token_read(const char *text, size_t length, RefreshToken *token)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_REFRESH_TOKEN, i)) != NULL; i++)
		if (token_read_refresh_token(token, key, text, length))
			return true;
	return false;
}

char *
refresh_token_write(const RefreshToken *token)
{
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	token_write_refresh_token(token, master_key_derived(MASTER_KEY_REFRESH_TOKEN, 0), text);
	return text;
}

void
refresh_token_ids(const RefreshToken *token, pg_uuid_t *user_id, pg_uuid_t *session_id)
{
	memcpy(user_id->data, token->user_id, UUID_LEN);
	memcpy(session_id->data, token->session_id, UUID_LEN);
}

bool
refresh_token_user(const char *text, pg_uuid_t *user_id)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	pg_uuid_t	session_id;
	bool		authentic = refresh_token_read(text, strlen(text), token);

	if (authentic)
		refresh_token_ids(token, user_id, &session_id);
	wipe_bytes(token, sizeof(RefreshToken));
	return authentic;
}

void
refresh_token_hash(const RefreshToken *token, uint8 hash[SECRET_HASH_LENGTH])
{
	crypto_hash_sha256(hash, token->seed, sizeof(token->seed));
}

bool
refresh_token_matches(const RefreshToken *token, const Session *session)
{
	uint8		hash[SECRET_HASH_LENGTH];

	refresh_token_hash(token, hash);
	return sodium_memcmp(hash, session->secret_hash, SECRET_HASH_LENGTH) == 0;
}
