/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Writing and reading of our own authenticated tokens.
 *
 *-------------------------------------------------------------------------
 */
#include "token/token.h"

#include <sodium.h>
#include <string.h>

#include "jose/jose.h"

#define CHALLENGE_BODY		(1 + 8 + CHALLENGE_NONCE_LENGTH)
#define PROMOTION_CODE_BODY (TOKEN_ID_LENGTH + TOKEN_ID_LENGTH + 8)
#define REFRESH_TOKEN_BODY \
	(TOKEN_ID_LENGTH + TOKEN_ID_LENGTH + 4 + REFRESH_TOKEN_SEED_LENGTH)
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

/* Appends the tag to a body (the buffer has room) and writes it as text. */
static void
seal(uint8_t *body, size_t length, const uint8_t *key, char text[TOKEN_TEXT_SIZE])
{
	size_t		written;

	crypto_generichash(body + length, TOKEN_TAG_LENGTH, body, length, key, TOKEN_KEY_LENGTH);
	written = base64url_encode(text, body, length + TOKEN_TAG_LENGTH);
	text[written] = '\0';
	sodium_memzero(body, length + TOKEN_TAG_LENGTH);
}

static bool
unseal(uint8_t *body, size_t length, const uint8_t *key, const char *text, size_t text_length)
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

	/* The right tag of a wrong token would make it a token. */
	sodium_memzero(tag, sizeof(tag));
	return authentic;
}

void
challenge_write(const Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
				char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	body[0] = challenge->purpose;
	put_integer(body + 1, (uint64_t) challenge->issued_at, 8);
	memcpy(body + 9, challenge->nonce, CHALLENGE_NONCE_LENGTH);
	seal(body, CHALLENGE_BODY, key, text);
}

bool
challenge_read(Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
			   const char *text, size_t length)
{
	uint8_t		body[CHALLENGE_BODY + TOKEN_TAG_LENGTH];

	if (!unseal(body, CHALLENGE_BODY, key, text, length))
		return false;
	challenge->purpose = body[0];
	challenge->issued_at = (int64_t) get_integer(body + 1, 8);
	memcpy(challenge->nonce, body + 9, CHALLENGE_NONCE_LENGTH);
	return true;
}

void
promotion_code_write(const PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
					 char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[PROMOTION_CODE_BODY + TOKEN_TAG_LENGTH];

	memcpy(body, code->user_id, TOKEN_ID_LENGTH);
	memcpy(body + TOKEN_ID_LENGTH, code->session_id, TOKEN_ID_LENGTH);
	put_integer(body + 2 * TOKEN_ID_LENGTH, (uint64_t) code->expires_at, 8);
	seal(body, PROMOTION_CODE_BODY, key, text);
}

bool
promotion_code_read(PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
					const char *text, size_t length)
{
	uint8_t		body[PROMOTION_CODE_BODY + TOKEN_TAG_LENGTH];

	if (!unseal(body, PROMOTION_CODE_BODY, key, text, length))
		return false;
	memcpy(code->user_id, body, TOKEN_ID_LENGTH);
	memcpy(code->session_id, body + TOKEN_ID_LENGTH, TOKEN_ID_LENGTH);
	code->expires_at = (int64_t) get_integer(body + 2 * TOKEN_ID_LENGTH, 8);
	return true;
}

void
refresh_token_write(const RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
					char text[TOKEN_TEXT_SIZE])
{
	uint8_t		body[REFRESH_TOKEN_BODY + TOKEN_TAG_LENGTH];

	memcpy(body, token->user_id, TOKEN_ID_LENGTH);
	memcpy(body + TOKEN_ID_LENGTH, token->session_id, TOKEN_ID_LENGTH);
	put_integer(body + 2 * TOKEN_ID_LENGTH, token->generation, 4);
	memcpy(body + 2 * TOKEN_ID_LENGTH + 4, token->seed, REFRESH_TOKEN_SEED_LENGTH);
	seal(body, REFRESH_TOKEN_BODY, key, text);
}

bool
refresh_token_read(RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
				   const char *text, size_t length)
{
	uint8_t		body[REFRESH_TOKEN_BODY + TOKEN_TAG_LENGTH];
	bool		authentic = unseal(body, REFRESH_TOKEN_BODY, key, text, length);

	if (authentic)
	{
		memcpy(token->user_id, body, TOKEN_ID_LENGTH);
		memcpy(token->session_id, body + TOKEN_ID_LENGTH, TOKEN_ID_LENGTH);
		token->generation = (uint32_t) get_integer(body + 2 * TOKEN_ID_LENGTH, 4);
		memcpy(token->seed, body + 2 * TOKEN_ID_LENGTH + 4, REFRESH_TOKEN_SEED_LENGTH);
	}
	sodium_memzero(body, sizeof(body));
	return authentic;
}
