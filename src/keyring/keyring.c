/*-------------------------------------------------------------------------
 *
 * keyring.c
 *	  Using the signing keys of this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/key_changes.h"
#include "keyring/keyring.h"
#include "store/settings.h"
#include "store/signing_keys.h"
#include "utils/timestamp.h"

/* The key that signs now; makes the first key of the database. */
static const SigningKey *
get_or_make_current_key(void)
{
	const SigningKey *key = key_cache_get_current();

	if (key == NULL)
	{
		keyring_ensure_signer();
		key = key_cache_get_current();
	}
	if (key == NULL)
		raise_no_signing_key();
	return key;
}

const SigningKey *
keyring_signer(const char *kid)
{
	const SigningKey *key = kid != NULL ? key_cache_get(kid, true) : get_or_make_current_key();

	if (key == NULL)
		raise_unknown_signing_key(kid);
	if (!key->can_sign)
		raise_inactive_signing_key(key->kid);
	return key;
}

const SigningKey *
keyring_verifier(const char *kid)
{
	const SigningKey *key = key_cache_get(kid, false);

	return key != NULL && key->published ? key : NULL;
}

int
keyring_jwks_max_age(void)
{
	return (int) Min(JWKS_MAX_AGE_SECONDS, settings_read_signing_key_lead_time() / 2 / USECS_PER_SEC);
}

char *
keyring_jwks(void)
{
	int			count;
	SigningKeyRow *rows = signing_keys_published(GetCurrentTimestamp(), &count);
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"keys\":[");
	for (i = 0; i < count; i++)
	{
		char	   *members;

		if (json_string_equals(rows[i].public_jwk, "kty", "oct"))
			continue;
		members = json_from_jsonb(rows[i].public_jwk);
		if (json.data[json.len - 1] == '}')
			appendStringInfoChar(&json, ',');

		/* Leave out the closing brace, to add the members that select a key. */
		appendBinaryStringInfo(&json, members, strlen(members) - 1);
		json_add_string(&json, "kid", rows[i].kid);
		json_add_string(&json, "alg", rows[i].alg);
		json_add_string(&json, "use", "sig");
		json_close(&json);
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}
