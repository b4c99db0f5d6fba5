/*-------------------------------------------------------------------------
 *
 * passkey_challenge.c
 *	  Challenges for authenticators.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "counters/counters.h"
#include "domain/lifetimes.h"
#include "domain/passkey_challenge.h"
#include "json/raise_json.h"
#include "keyring/master_key.h"

/* A challenge may come from a standby whose clock is ahead by as long as it lives. */
#define MEMORY		(2 * SHORT_LIFETIME)

char *
passkey_challenge_make(ChallengePurpose purpose, const pg_uuid_t *user_id, TimestampTz now)
{
	PasskeyChallenge challenge = {.challenge = {.purpose = purpose,.issued_at = now}};
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	randombytes_buf(challenge.challenge.nonce, sizeof(challenge.challenge.nonce));
	if (user_id != NULL)
		memcpy(challenge.user_id, user_id->data, UUID_LEN);
	token_write_passkey_challenge(&challenge,
								  master_key_derived(MASTER_KEY_PASSKEY_CHALLENGE, 0), text);
	return text;
}

bool
passkey_challenge_read(Span text, PasskeyChallenge *challenge)
{
	const uint8 *key;
	bool		authentic = false;
	int			i;

	for (i = 0; !authentic &&
		 (key = master_key_derived(MASTER_KEY_PASSKEY_CHALLENGE, i)) != NULL; i++)
		authentic = token_read_passkey_challenge(challenge, key, text.data, text.length);
	return authentic;
}

const char *
passkey_challenge_problem(Span text, TimestampTz now, PasskeyChallenge *challenge)
{
	if (!passkey_challenge_read(text, challenge))
		return "The challenge was not issued here.";
	if (challenge->challenge.issued_at <= now - SHORT_LIFETIME ||
		challenge->challenge.issued_at > now + SHORT_LIFETIME)
		return "The challenge has expired.";
	return NULL;
}

bool
passkey_challenge_use(const PasskeyChallenge *challenge)
{
	char		nonce[2 * CHALLENGE_NONCE_LENGTH + 1];
	int64		uses;

	sodium_bin2hex(nonce, sizeof(nonce), challenge->challenge.nonce, CHALLENGE_NONCE_LENGTH);
	uses = counter_mark(psprintf("passkey_challenge/%s", nonce), MEMORY);
	if (uses == 0)
		raise_counters_full();
	return uses == 1;
}
