/*-------------------------------------------------------------------------
 *
 * key_changes.c
 *	  Making, importing, rotating and retiring signing keys.
 *
 * A change locks the table of signing keys first and then reads the master key:
 * signing_keys_lock() for changes that look at other keys, or at least
 * signing_keys_lock_for_insert(), which conflicts with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "commands/async.h"
#include "jose/base64url.h"
#include "jose/key.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/jwk.h"
#include "keyring/jose_check.h"
#include "keyring/key_changes.h"
#include "keyring/master_key_recording.h"
#include "keyring/sealing.h"
#include "store/clients.h"
#include "store/settings.h"
#include "store/signing_keys.h"

/*
 * The kid of a key that has none: its thumbprint, which anybody can check.  For a
 * symmetric key that would be a hash of the secret, so it gets random bytes.
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

/* The JWK to publish: for a symmetric key just its type. */
static Jsonb *
make_public_jwk(const JoseKey *key)
{
	char		json[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	size_t		length = JOSE_MAX_PUBLIC_JWK_LENGTH;

	if (jose_key_is_symmetric(key))
		return json_to_jsonb("{\"kty\":\"oct\"}");
	jose_check_internal(jose_key_public_jwk(key, json, &length));
	json[length] = '\0';
	return json_to_jsonb(json);
}

/* Let PostgREST call postgrest_pre_config() again when the transaction commits. */
static void
notify_postgrest(void)
{
	Async_Notify("pgrst", "reload config");
}

/*
 * Store a key as active and free it.  It signs from the given time on.  Returns false if
 * the kid exists.
 *
 * The key is not in a memory context, so it is freed before a statement runs.  The
 * caller has called prepare_to_seal(); therefore only a lack of memory can raise
 * an error before the key is freed.
 */
static bool
store_and_free_key(JoseKey *key, JoseAlg alg, char *kid, TimestampTz signs_from)
{
	SigningKeyRow row = {0};

	row.kid = kid;
	row.alg = (char *) jose_alg_name(alg);
	row.state = "active";
	row.public_jwk = make_public_jwk(key);
	row.created_at = GetCurrentTimestamp();
	row.signs_from = signs_from;
	sealing_seal_key(&row, key);
	jose_key_free(key);
	if (!signing_keys_insert(&row))
		return false;
	notify_postgrest();
	return true;
}

/*
 * To be called before a key is made.  From here on, a transaction that changes the
 * master key waits for this one.  If such a transaction committed before, its
 * master key is read here, so that the key is sealed with it.
 */
static void
prepare_to_seal(void)
{
	signing_keys_lock_for_insert();
	settings_require_current_id();
	master_key_check_again();
	master_key_record_before_sealing();
}

/*
 * Return when a new key begins to sign: after the lead time, or now if immediately is
 * true or no other key could sign until then.
 */
static TimestampTz
first_signing_time(bool immediately)
{
	TimestampTz now = GetCurrentTimestamp();
	SigningKeyRow signer;

	if (immediately || !signing_keys_find_signer(now, NULL, &signer, NULL))
		return now;
	return now + settings_read_signing_key_lead_time();
}

/* Does the work of keyring_create(), and sets *signs_from. */
static char *
make_key(const char *alg_name, bool immediately, TimestampTz *signs_from)
{
	JoseAlg		alg = jose_alg_by_name(span_of_string(alg_name));
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
	*signs_from = first_signing_time(immediately);
	jose_check_internal(jose_key_generate(alg, &key));
	kid = default_kid(key);
	if (!store_and_free_key(key, alg, kid, *signs_from))
		elog(ERROR, "the kid of the new signing key already exists");
	return kid;
}

char *
keyring_create(const char *alg)
{
	TimestampTz signs_from;

	return make_key(alg, false, &signs_from);
}

/* The algorithm of an imported key: its "alg", or the default of its type. */
static JoseAlg
imported_alg(Jsonb *jwk, const JoseKey *key)
{
	char	   *name = json_cstring(jwk, "alg");

	return name != NULL ? jose_alg_by_name(span_of_string(name)) : jose_key_default_alg(key);
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
	TimestampTz signs_from;

	prepare_to_seal();
	signs_from = first_signing_time(false);
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
	if (!store_and_free_key(key, alg, kid, signs_from))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("signing key \"%s\" already exists", kid)));
	return kid;
}

/*
 * The time until which tokens can be valid that a key signs until a given time.  The
 * slack is for transactions that still sign with it then, and for differences of clocks.
 */
static TimestampTz
last_token_expiry(TimestampTz signs_until)
{
	int			lifetime = Max(clients_longest_access_token(), SHORT_LIFETIME_SECONDS);

	return signs_until + INT64CONST(1) * (lifetime + ROTATION_SLACK_SECONDS) * USECS_PER_SEC;
}

/* True if rotation can go on with the algorithm of a key. */
static bool
can_make_another(const SigningKeyRow *key)
{
	return jose_alg_is_for(jose_alg_by_name(span_of_string(key->alg)), JOSE_USE_MAKE_KEYS);
}

char *
keyring_rotate(const char *alg, bool immediately)
{
	SigningKeyRow newest;
	TimestampTz signs_from;
	char	   *kid;

	/* Of two concurrent rotations, the second one retires the key of the first. */
	signing_keys_lock();
	if (alg == NULL)
		alg = signing_keys_find_newest(&newest) && can_make_another(&newest) ?
			newest.alg : jose_alg_name(JOSE_ALG_ES256);
	kid = make_key(alg, immediately, &signs_from);
	signing_keys_end_retiring(GetCurrentTimestamp());
	signing_keys_begin_retiring(kid, signs_from, last_token_expiry(signs_from));
	return kid;
}

/*
 * After a key was retired: let another key sign, now and later.  If the key was to
 * replace one that still signs, that one goes on.  If it was the one that signs, its
 * successor begins now.  Returns false if there is no such key.
 */
static bool
ensure_successor(TimestampTz now)
{
	SigningKeyRow row;

	if (!signing_keys_find_newest(&row))
		signing_keys_resume(now);
	if (!signing_keys_find_signer(now, NULL, &row, NULL))
		return false;
	if (row.signs_from > now)
		signing_keys_set_signs_from(row.kid, now);
	return true;
}

void
keyring_retire(const char *kid)
{
	signing_keys_lock();
	if (!signing_keys_retire(kid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no signing key \"%s\"", kid)));
	if (!ensure_successor(GetCurrentTimestamp()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retire the only active signing key \"%s\"", kid),
				 errhint("Call anon_auth.rotate_signing_key(immediately => true) first.")));
	notify_postgrest();
}

void
keyring_ensure_signer(void)
{
	if (signing_keys_exist())
		return;
	signing_keys_lock();
	if (!signing_keys_exist())
		keyring_create(jose_alg_name(JOSE_ALG_ES256));
}
