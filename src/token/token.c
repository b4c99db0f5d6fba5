/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Writing and reading our own self-contained tokens.
 *
 * Integers in a body are big-endian.  Bodies and tags are wiped: a refresh
 * token's seed is a secret, and a tag would turn a guess into a token.
 *
 *-------------------------------------------------------------------------
 */
#include "token/token.h"

#include <sodium.h>
#include <string.h>

#include "base/wipe.h"
#include "jose/base64url.h"

#define CHALLENGE_BODY		(1 + 8 + CHALLENGE_NONCE_LENGTH)
#define PASSKEY_CHALLENGE_BODY	(CHALLENGE_BODY + TOKEN_ID_LENGTH)
#define PROMOTION_CODE_BODY (TOKEN_ID_LENGTH + TOKEN_ID_LENGTH + 8)
#define REFRESH_TOKEN_BODY \
	(TOKEN_ID_LENGTH + TOKEN_ID_LENGTH + 4 + REFRESH_TOKEN_SEED_LENGTH)
#define BROWSER_FLOW_BODY	(1 + 8 + BROWSER_FLOW_SECRET_LENGTH)
#define APP_SESSION_BODY	(TOKEN_ID_LENGTH + TOKEN_ID_LENGTH + 8 + 8)
#define MAX_BODY			REFRESH_TOKEN_BODY

_Static_assert(BASE64URL_ENCODED_LENGTH(MAX_BODY + TOKEN_TAG_LENGTH) < TOKEN_TEXT_SIZE,
			   "TOKEN_TEXT_SIZE is too small");

static void
put_integer(uint8_t *dst, uint64_t value, int bytes)
{
	while (bytes-- > 0)
	{
		dst[bytes] = (uint8_t) value;
		value >>= 8;
	}
}

static uint64_t
get_integer(const uint8_t *src, int bytes)
{
	uint64_t	value = 0;
	int			i;

	for (i = 0; i < bytes; i++)
		value = value << 8 | src[i];
	return value;
}

/*
 * Append the tag to a body, whose buffer has room for it, and write both as text.
 * Wipes the body.
 */
static void
write_sealed(uint8_t *body, size_t length, const uint8_t *key, char text[TOKEN_TEXT_SIZE])
{
	size_t		written;

	crypto_generichash(body + length, TOKEN_TAG_LENGTH, body, length, key, TOKEN_KEY_LENGTH);
	written = base64url_encode(text, body, length + TOKEN_TAG_LENGTH);
	text[written] = '\0';
	wipe_bytes(body, length + TOKEN_TAG_LENGTH);
}

/*
 * Decode a text to a body of a length and its tag, and check the tag.  Every
 * failure looks the same to the caller.
 */
static bool
read_sealed(uint8_t *body, size_t length, const uint8_t *key, const char *text, size_t text_length)
{
	uint8_t		tag[TOKEN_TAG_LENGTH];
	size_t		decoded = length + TOKEN_TAG_LENGTH;
	bool		authentic;

	if (text_length != BASE64URL_ENCODED_LENGTH(length + TOKEN_TAG_LENGTH))
		return false;
	if (base64url_decode(body, &decoded, text, text_length) != JOSE_OK ||
		decoded != length + TOKEN_TAG_LENGTH)
		return false;
	crypto_generichash(tag, TOKEN_TAG_LENGTH, body, length, key, TOKEN_KEY_LENGTH);
	authentic = sodium_memcmp(tag, body + length, TOKEN_TAG_LENGTH) == 0;

	/* With the right tag, a forged body would be a valid token. */
	wipe_bytes(tag, sizeof(tag));
	return authentic;
}

static void
put_challenge(uint8_t *body, const Challenge *challenge)
{
	body[0] = challenge->purpose;
	put_integer(body + 1, (uint64_t) challenge->issued_at, 8);
	memcpy(body + 9, challenge->nonce, CHALLENGE_NONCE_LENGTH);
}

static void
get_challenge(const uint8_t *body, Challenge *challenge)
{
	challenge->purpose = body[0];
	challenge->issued_at = (int64_t) get_integer(body + 1, 8);
	memcpy(challenge->nonce, body + 9, CHALLENGE_NONCE_LENGTH);
}

void
token_write_challenge(const Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
					  char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	put_challenge(body, challenge);
	write_sealed(body, CHALLENGE_BODY, key, text);
}

bool
token_read_challenge(Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
					 const char *text, size_t length)
{
	uint8_t		body[CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	if (!read_sealed(body, CHALLENGE_BODY, key, text, length))
		return false;
	get_challenge(body, challenge);
	return true;
}

void
token_write_passkey_challenge(const PasskeyChallenge *challenge,
							  const uint8_t key[TOKEN_KEY_LENGTH], char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[PASSKEY_CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	put_challenge(body, &challenge->challenge);
	memcpy(body + CHALLENGE_BODY, challenge->user_id, TOKEN_ID_LENGTH);
	write_sealed(body, PASSKEY_CHALLENGE_BODY, key, text);
}

bool
token_read_passkey_challenge(PasskeyChallenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
							 const char *text, size_t length)
{
	uint8_t		body[PASSKEY_CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	if (!read_sealed(body, PASSKEY_CHALLENGE_BODY, key, text, length))
		return false;
	get_challenge(body, &challenge->challenge);
	memcpy(challenge->user_id, body + CHALLENGE_BODY, TOKEN_ID_LENGTH);
	return true;
}

void
token_write_promotion_code(const PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
						   char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[PROMOTION_CODE_BODY + TOKEN_TAG_LENGTH];

	memcpy(body, code->user_id, TOKEN_ID_LENGTH);
	memcpy(body + TOKEN_ID_LENGTH, code->session_id, TOKEN_ID_LENGTH);
	put_integer(body + 2 * TOKEN_ID_LENGTH, (uint64_t) code->expires_at, 8);
	write_sealed(body, PROMOTION_CODE_BODY, key, text);
}

bool
token_read_promotion_code(PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
						  const char *text, size_t length)
{
	uint8_t		body[PROMOTION_CODE_BODY + TOKEN_TAG_LENGTH];

	if (!read_sealed(body, PROMOTION_CODE_BODY, key, text, length))
		return false;
	memcpy(code->user_id, body, TOKEN_ID_LENGTH);
	memcpy(code->session_id, body + TOKEN_ID_LENGTH, TOKEN_ID_LENGTH);
	code->expires_at = (int64_t) get_integer(body + 2 * TOKEN_ID_LENGTH, 8);
	return true;
}

void
token_write_refresh_token(const RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
						  char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[REFRESH_TOKEN_BODY + TOKEN_TAG_LENGTH];

	memcpy(body, token->user_id, TOKEN_ID_LENGTH);
	memcpy(body + TOKEN_ID_LENGTH, token->session_id, TOKEN_ID_LENGTH);
	put_integer(body + 2 * TOKEN_ID_LENGTH, token->generation, 4);
	memcpy(body + 2 * TOKEN_ID_LENGTH + 4, token->seed, REFRESH_TOKEN_SEED_LENGTH);
	write_sealed(body, REFRESH_TOKEN_BODY, key, text);
}

bool
token_read_refresh_token(RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
						 const char *text, size_t length)
{
	uint8_t		body[REFRESH_TOKEN_BODY + TOKEN_TAG_LENGTH];
	bool		authentic = read_sealed(body, REFRESH_TOKEN_BODY, key, text, length);

	if (authentic)
	{
		memcpy(token->user_id, body, TOKEN_ID_LENGTH);
		memcpy(token->session_id, body + TOKEN_ID_LENGTH, TOKEN_ID_LENGTH);
		token->generation = (uint32_t) get_integer(body + 2 * TOKEN_ID_LENGTH, 4);
		memcpy(token->seed, body + 2 * TOKEN_ID_LENGTH + 4, REFRESH_TOKEN_SEED_LENGTH);
	}
	wipe_bytes(body, sizeof(body));
	return authentic;
}

void
token_write_browser_flow(const BrowserFlow *flow, const uint8_t key[TOKEN_KEY_LENGTH],
						 char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[BROWSER_FLOW_BODY + TOKEN_TAG_LENGTH];

	body[0] = flow->finished ? 1 : 0;
	put_integer(body + 1, (uint64_t) flow->started_at, 8);
	memcpy(body + 9, flow->value, BROWSER_FLOW_SECRET_LENGTH);
	write_sealed(body, BROWSER_FLOW_BODY, key, text);
}

bool
token_read_browser_flow(BrowserFlow *flow, const uint8_t key[TOKEN_KEY_LENGTH],
						const char *text, size_t length)
{
	uint8_t		body[BROWSER_FLOW_BODY + TOKEN_TAG_LENGTH];

	if (!read_sealed(body, BROWSER_FLOW_BODY, key, text, length))
		return false;
	flow->finished = body[0] != 0;
	flow->started_at = (int64_t) get_integer(body + 1, 8);
	memcpy(flow->value, body + 9, BROWSER_FLOW_SECRET_LENGTH);
	wipe_bytes(body, sizeof(body));
	return true;
}

void
token_write_app_session(const AppSession *session, const uint8_t key[TOKEN_KEY_LENGTH],
						char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[APP_SESSION_BODY + TOKEN_TAG_LENGTH];

	memcpy(body, session->user_id, TOKEN_ID_LENGTH);
	memcpy(body + TOKEN_ID_LENGTH, session->session_id, TOKEN_ID_LENGTH);
	put_integer(body + 2 * TOKEN_ID_LENGTH, (uint64_t) session->issued_at, 8);
	put_integer(body + 2 * TOKEN_ID_LENGTH + 8, (uint64_t) session->authenticated_at, 8);
	write_sealed(body, APP_SESSION_BODY, key, text);
}

bool
token_read_app_session(AppSession *session, const uint8_t key[TOKEN_KEY_LENGTH],
					   const char *text, size_t length)
{
	uint8_t		body[APP_SESSION_BODY + TOKEN_TAG_LENGTH];

	if (!read_sealed(body, APP_SESSION_BODY, key, text, length))
		return false;
	memcpy(session->user_id, body, TOKEN_ID_LENGTH);
	memcpy(session->session_id, body + TOKEN_ID_LENGTH, TOKEN_ID_LENGTH);
	session->issued_at = (int64_t) get_integer(body + 2 * TOKEN_ID_LENGTH, 8);
	session->authenticated_at = (int64_t) get_integer(body + 2 * TOKEN_ID_LENGTH + 8, 8);
	return true;
}
