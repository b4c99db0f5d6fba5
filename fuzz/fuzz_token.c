/*-------------------------------------------------------------------------
 *
 * fuzz_token.c
 *	  The input is text that may be a challenge, a promotion code, a refresh token
 *	  or the flow of a browser; or the members of one, and the changes to its text.
 *
 * Properties: a token is read as it was written; a changed text is refused, and
 * so is any text under another key; no kind of token is accepted as another.
 *
 * A flow is as long as a challenge.  So it has its own key here, as every kind has in
 * the server.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>

#include "fuzz.h"
#include "token/token.h"

static const uint8_t key[TOKEN_KEY_LENGTH] = "the key of these tests, 32 bytes";
static const uint8_t other[TOKEN_KEY_LENGTH] = "another key of these tests, also";
static const uint8_t flow_key[TOKEN_KEY_LENGTH] = "the key for flows of these tests";

/*
 * Return the number of readers that accept a text.  With key, the reader of flows uses
 * flow_key.
 */
static int
kinds(const char *text, size_t length, const uint8_t *with)
{
	Challenge	challenge;
	PromotionCode code;
	RefreshToken token;
	BrowserFlow flow;
	AppSession	session;
	PasskeyChallenge passkey;

	return token_read_passkey_challenge(&passkey, with, text, length) +
		token_read_challenge(&challenge, with, text, length) +
		token_read_promotion_code(&code, with, text, length) +
		token_read_refresh_token(&token, with, text, length) +
		token_read_browser_flow(&flow, with == key ? flow_key : with, text, length) +
		token_read_app_session(&session, with, text, length);
}

static void
check_written(const char *text)
{
	size_t		length = strlen(text);

	MUST(length < TOKEN_TEXT_SIZE);
	MUST(kinds(text, length, key) == 1);
	MUST(kinds(text, length, other) == 0);
	MUST(kinds(text, length - 1, key) == 0);
	MUST(kinds(text, length + 1, key) == 0);	/* including its terminator */
}

static void
check_changed(FuzzInput *input, const char *text)
{
	char		changed[TOKEN_TEXT_SIZE];
	size_t		length = strlen(text);

	strcpy(changed, text);
	while (input->length >= 2)
	{
		uint8_t		position = fuzz_byte(input);

		changed[position % length] = (char) fuzz_byte(input);
	}
	MUST(kinds(changed, length, key) == (memcmp(changed, text, length) == 0));
}

/*
 * The fuzzer sees the operands of comparisons, and thus learns texts that were
 * written.  Any accepted text must be one of them.
 */
static void
check_any(const char *given, size_t length)
{
	char		text[TOKEN_TEXT_SIZE] = "";
	Challenge	challenge;
	PromotionCode code;
	RefreshToken token;
	BrowserFlow flow;
	AppSession	session;

	MUST(kinds(given, length, other) == 0);
	if (token_read_challenge(&challenge, key, given, length))
		token_write_challenge(&challenge, key, text);
	else if (token_read_promotion_code(&code, key, given, length))
		token_write_promotion_code(&code, key, text);
	else if (token_read_refresh_token(&token, key, given, length))
		token_write_refresh_token(&token, key, text);
	else if (token_read_browser_flow(&flow, flow_key, given, length))
		token_write_browser_flow(&flow, flow_key, text);
	else if (token_read_app_session(&session, key, given, length))
		token_write_app_session(&session, key, text);
	else
		return;
	MUST(kinds(given, length, key) == 1);
	MUST(strlen(text) == length && memcmp(text, given, length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	char		text[TOKEN_TEXT_SIZE];
	char		again[TOKEN_TEXT_SIZE];

	MUST(sodium_init() >= 0);
	switch (fuzz_byte(&input) % 6)
	{
		case 0:
			{
				Challenge	given = {0};
				Challenge	found;

				given.purpose = fuzz_byte(&input);
				fuzz_bytes(&input, (uint8_t *) &given.issued_at, 8);
				fuzz_bytes(&input, given.nonce, sizeof(given.nonce));
				token_write_challenge(&given, key, text);
				MUST(token_read_challenge(&found, key, text, strlen(text)));
				MUST(found.purpose == given.purpose && found.issued_at == given.issued_at);
				MUST(memcmp(found.nonce, given.nonce, sizeof(found.nonce)) == 0);
				token_write_challenge(&found, key, again);
				break;
			}
		case 1:
			{
				PromotionCode given = {0};
				PromotionCode found;

				fuzz_bytes(&input, given.user_id, sizeof(given.user_id));
				fuzz_bytes(&input, given.session_id, sizeof(given.session_id));
				fuzz_bytes(&input, (uint8_t *) &given.expires_at, 8);
				token_write_promotion_code(&given, key, text);
				MUST(token_read_promotion_code(&found, key, text, strlen(text)));
				MUST(memcmp(found.user_id, given.user_id, sizeof(found.user_id)) == 0);
				MUST(memcmp(found.session_id, given.session_id, sizeof(found.session_id)) == 0);
				MUST(found.expires_at == given.expires_at);
				token_write_promotion_code(&found, key, again);
				break;
			}
		case 2:
			{
				RefreshToken given = {0};
				RefreshToken found;

				fuzz_bytes(&input, given.user_id, sizeof(given.user_id));
				fuzz_bytes(&input, given.session_id, sizeof(given.session_id));
				fuzz_bytes(&input, (uint8_t *) &given.generation, 4);
				fuzz_bytes(&input, given.seed, sizeof(given.seed));
				token_write_refresh_token(&given, key, text);
				MUST(token_read_refresh_token(&found, key, text, strlen(text)));
				MUST(memcmp(found.user_id, given.user_id, sizeof(found.user_id)) == 0);
				MUST(memcmp(found.session_id, given.session_id, sizeof(found.session_id)) == 0);
				MUST(memcmp(found.seed, given.seed, sizeof(found.seed)) == 0);
				MUST(found.generation == given.generation);
				token_write_refresh_token(&found, key, again);
				break;
			}
		case 3:
			{
				BrowserFlow given = {0};
				BrowserFlow found;

				given.finished = fuzz_byte(&input) & 1;
				fuzz_bytes(&input, (uint8_t *) &given.started_at, 8);
				fuzz_bytes(&input, given.value, sizeof(given.value));
				token_write_browser_flow(&given, flow_key, text);
				MUST(token_read_browser_flow(&found, flow_key, text, strlen(text)));
				MUST(found.finished == given.finished && found.started_at == given.started_at);
				MUST(memcmp(found.value, given.value, sizeof(found.value)) == 0);
				token_write_browser_flow(&found, flow_key, again);
				break;
			}
		case 4:
			{
				AppSession	given = {0};
				AppSession	found;

				fuzz_bytes(&input, given.user_id, sizeof(given.user_id));
				fuzz_bytes(&input, given.session_id, sizeof(given.session_id));
				fuzz_bytes(&input, (uint8_t *) &given.issued_at, 8);
				fuzz_bytes(&input, (uint8_t *) &given.authenticated_at, 8);
				token_write_app_session(&given, key, text);
				MUST(token_read_app_session(&found, key, text, strlen(text)));
				MUST(memcmp(found.user_id, given.user_id, sizeof(found.user_id)) == 0);
				MUST(memcmp(found.session_id, given.session_id, sizeof(found.session_id)) == 0);
				MUST(found.issued_at == given.issued_at);
				MUST(found.authenticated_at == given.authenticated_at);
				token_write_app_session(&found, key, again);
				break;
			}
		default:
			check_any((const char *) input.data, input.length);
			return 0;
	}
	MUST(strcmp(text, again) == 0);
	check_written(text);
	check_changed(&input, text);
	return 0;
}
