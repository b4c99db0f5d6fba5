/*-------------------------------------------------------------------------
 *
 * challenge.c
 *	  Challenges: made without writing anything, accepted once from each key or identity.
 *
 * A challenge is self-contained: time, purpose and nonce under a MAC.  Making one
 * stores nothing, so a standby can do it, and nobody can fill the disk with
 * challenges.  The row of a device key or an identity keeps the challenges that it has
 * used in the last five minutes; see token/challenge_window.h for the window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/raise.h"
#include "base/span.h"
#include "domain/challenge.h"
#include "domain/lifetimes.h"
#include "keyring/master_key.h"
#include "token/challenge_window.h"
#include "token/token.h"

static const struct
{
	const char *name;
	ChallengePurpose purpose;
}			purposes[] = {
	{"anonymous_request", CHALLENGE_ANONYMOUS_REQUEST},
	{"biometric_request", CHALLENGE_BIOMETRIC_REQUEST},
	{"app2app_request", CHALLENGE_APP2APP_REQUEST},
	{"id_token", CHALLENGE_ID_TOKEN},
	{"dpop_nonce", CHALLENGE_DPOP_NONCE}
};

char *
challenge_create(const char *purpose, TimestampTz *expires_at)
{
	Challenge	challenge = {0};
	char	   *text = palloc(TOKEN_TEXT_SIZE);
	int			i;

	for (i = 0; i < lengthof(purposes); i++)
		if (strcmp(purposes[i].name, purpose) == 0)
			challenge.purpose = purposes[i].purpose;
	if (challenge.purpose == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown challenge purpose"),
				 errhint("The purpose of a guest's request is anonymous_request, that of a request with the device key of an account is biometric_request, that of the nonce of an ID token is id_token, and that of the nonce of a DPoP proof is dpop_nonce.")));

	challenge.issued_at = GetCurrentTimestamp();
	randombytes_buf(challenge.nonce, sizeof(challenge.nonce));
	token_write_challenge(&challenge, master_key_derived(MASTER_KEY_CHALLENGE, 0), text);
	*expires_at = challenge.issued_at + SHORT_LIFETIME;
	return text;
}

const char *
challenge_problem(const Span *text, ChallengePurpose purpose, TimestampTz now,
				  Challenge *challenge)
{
	const uint8 *key;
	bool		authentic = false;
	int			i;

	for (i = 0; !authentic && (key = master_key_derived(MASTER_KEY_CHALLENGE, i)) != NULL; i++)
		authentic = token_read_challenge(challenge, key, text->data, text->length);
	if (!authentic)
		return "The challenge was not issued here.";
	if (challenge->purpose != purpose)
		return "The challenge was issued for another purpose.";

	/* A challenge from the future is accepted: a standby whose clock is ahead made it. */
	if (challenge->issued_at <= now - SHORT_LIFETIME || challenge->issued_at > now + SHORT_LIFETIME)
		return "The challenge has expired.";
	return NULL;
}

void
challenge_open(const Span *text, ChallengePurpose purpose, TimestampTz now, Challenge *challenge)
{
	const char *problem = challenge_problem(text, purpose, now, challenge);

	if (problem != NULL)
		raise_invalid_challenge(problem);
}

bytea *
challenge_add(const bytea *window, const Challenge *challenge, TimestampTz now)
{
	uint8		result[CHALLENGE_WINDOW_SIZE];
	size_t		length;
	bytea	   *used;

	if (!challenge_window_accept(window == NULL ? NULL : (const uint8 *) VARDATA_ANY(window),
								 window == NULL ? 0 : VARSIZE_ANY_EXHDR(window),
								 challenge, now - SHORT_LIFETIME, result, &length))
		return NULL;
	used = palloc(VARHDRSZ + length);
	SET_VARSIZE(used, VARHDRSZ + length);
	memcpy(VARDATA(used), result, length);
	return used;
}

bytea *
challenge_use(const bytea *window, const Challenge *challenge, TimestampTz now)
{
	bytea	   *used = challenge_add(window, challenge, now);

	if (used == NULL)
		raise_invalid_challenge("The challenge was used before.");
	return used;
}
