/*-------------------------------------------------------------------------
 *
 * key_changes.c
 *	  Making, importing, rotating and retiring signing keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "commands/async.h"
#include "jose/base64url.h"
#include "jose/key.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/jwk.h"
#include "keyring/jose_check.h"
#include "keyring/keyring.h"
#include "keyring/keyring_private.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"
#include "store/store.h"

/*
 * A random-looking kid that anybody can check: the thumbprint.  A symmetric
 * key's would be a hash of the secret, so that one gets random bytes.
 */
static char *
default_kid(const JoseKey *key)
{
	uint8		bytes[JOSE_THUMBPRINT_LENGTH];
	char	   *kid = palloc0(BASE64URL_ENCODED_LENGTH(sizeof(bytes)) + 1);

	if (!jose_key_is_symmetric(key))
		jose_check_internal(jose_key_thumbprint(key, bytes));
	else if (!pg_strong_random(bytes, sizeof(bytes)))
		jose_check_internal(JOSE_FAILURE);
	base64url_encode(kid, bytes, sizeof(bytes));
	return kid;
}

/* The public members of a key, without its secret if it is symmetric. */
static Jsonb *
public_jwk(const JoseKey *key)
{
	char		json[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	size_t		length = JOSE_MAX_PUBLIC_JWK_LENGTH;

	if (jose_key_is_symmetric(key))
		return json_to_jsonb("{\"kty\":\"oct\"}");
	jose_check_internal(jose_key_public_jwk(key, json, &length));
	json[length] = '\0';
	return json_to_jsonb(json);
}

/* It reads the keys again: see postgrest_pre_config(). */
static void
tell_postgrest(void)
{
	Async_Notify("pgrst", "reload config");
}

/*
 * Stores a key that can sign as active, and frees it before any statement
 * runs.  The caller has loaded the master key, so nothing before that throws
 * but what cannot happen.
 */
static bool
store_key(JoseKey *key, JoseAlg alg, char *kid)
{
	SigningKeyRow row = {0};

	row.kid = kid;
	row.alg = (char *) jose_alg_name(alg);
	row.state = "active";
	row.public_jwk = public_jwk(key);
	row.created_at = GetCurrentTimestamp();
	sealing_seal_key(&row, key);
	jose_key_free(key);
	keyring_forget_current_signer();
	if (!signing_keys_insert(&row))
		return false;
	tell_postgrest();
	return true;
}

/*
 * Before a key is made: whoever seals signing keys anew, or retires a master
 * key, waits for this transaction from now on, and if it was faster, its file
 * is the one to seal with.
 */
static void
prepare_to_seal(void)
{
	signing_keys_lock_for_insert();
	settings_require_current_id();
	master_key_check_again();
	master_key_record_before_sealing();
}

char *
keyring_create(const char *alg_name)
{
	JoseAlg		alg = keyring_alg(alg_name);
	char		list[JOSE_ALG_LIST_SIZE];
	JoseKey    *key;
	char	   *kid;

	if (!jose_alg_is_for(alg, JOSE_USE_MAKE_KEYS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a signing key cannot have algorithm \"%s\"", alg_name),
				 errdetail("Keys are made for %s.",
						   jose_alg_list(JOSE_USE_MAKE_KEYS, " and ", NULL, list)),
				 jose_alg_is_for(alg, JOSE_USE_SIGN_TOKENS) ?
				 errhint("Import a secret with anon_auth.import_signing_key().") : 0));
	prepare_to_seal();
	jose_check_internal(jose_key_generate(alg, &key));
	kid = default_kid(key);
	if (!store_key(key, alg, kid))
		elog(ERROR, "a new signing key has the kid of an old one");
	return kid;
}

/* Which algorithm an imported key signs with: its "alg", or the usual one. */
static JoseAlg
imported_alg(Jsonb *jwk, const JoseKey *key)
{
	char	   *name = json_cstring(jwk, "alg");

	return name != NULL ? keyring_alg(name) : jose_key_default_alg(key);
}

char *
keyring_import(Jsonb *jwk)
{
	JoseJwk		members;
	JoseKey    *key = NULL;
	JoseAlg		alg = JOSE_ALG_UNKNOWN;
	char		list[JOSE_ALG_LIST_SIZE];
	const char *reason = jwk_from_jsonb(jwk, &members);
	char	   *kid = reason == NULL ? json_cstring(jwk, "kid") : NULL;

	prepare_to_seal();
	if (reason == NULL)
	{
		JoseStatus	status = jose_key_import(&members, &key);

		if (status != JOSE_OK)
			reason = jose_status_message(status);
		else if (!jose_key_can_sign(key))
			reason = "the JWK has no private part";
		else
		{
			alg = imported_alg(jwk, key);
			if (!jose_alg_is_for(alg, JOSE_USE_SIGN_TOKENS) || !jose_key_allows(key, alg))
				reason = psprintf("tokens are signed with %s, and the algorithm must fit the key",
								  jose_alg_list(JOSE_USE_SIGN_TOKENS, " or ", NULL, list));
		}
	}
	if (reason == NULL && kid != NULL && (kid[0] == '\0' || strlen(kid) > 255))
		reason = "the \"kid\" must have 1 to 255 characters";
	if (reason != NULL)
	{
		jose_key_free(key);
		raise_invalid_jwk(reason);
	}
	if (kid == NULL)
		kid = default_kid(key);
	if (!store_key(key, alg, kid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("signing key \"%s\" already exists", kid)));
	return kid;
}

/*
 * Tokens that the old keys have signed live at most so long.  The slack is for
 * a transaction that signs with an old key while the rotation commits.
 */
static TimestampTz
last_expiry(TimestampTz now)
{
	int			lifetime = Max(clients_longest_access_token(), SHORT_LIFETIME_SECONDS);

	return now + INT64CONST(1) * (lifetime + ROTATION_SLACK_SECONDS) * USECS_PER_SEC;
}

char *
keyring_rotate(const char *alg)
{
	TimestampTz now = GetCurrentTimestamp();
	SigningKeyRow current;
	char	   *kid;

	/* Of two rotations at once, the second retires the first one's key. */
	signing_keys_lock();
	if (alg == NULL)
		alg = signing_keys_find_state(NULL, &current) && !jose_alg_is_symmetric(keyring_alg(current.alg)) ?
			current.alg : "ES256";
	kid = keyring_create(alg);
	signing_keys_end_retiring(now);
	signing_keys_begin_retiring(kid, now, last_expiry(now));
	keyring_forget_states();
	return kid;
}

void
keyring_retire(const char *kid)
{
	SigningKeyRow current;

	signing_keys_lock();
	if (!signing_keys_retire(kid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no signing key \"%s\"", kid)));
	if (!signing_keys_find_state(NULL, &current))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retire the only active signing key \"%s\"", kid),
				 errhint("Call anon_auth.rotate_signing_key() first.")));
	keyring_forget_states();
	tell_postgrest();
}

void
keyring_ensure_signer(void)
{
	if (signing_keys_exist())
		return;
	signing_keys_lock();
	if (!signing_keys_exist())
		keyring_create("ES256");
}
