/*-------------------------------------------------------------------------
 *
 * identity_provider.c
 *	  Providers of OpenID Connect, and the keys with which they sign ID tokens.
 *
 * The database never makes a request.  A worker polls for the providers whose keys it
 * should fetch.  An ID token with an unknown key fails, and the worker must learn of it
 * all the same: the mark is a counter, which a rollback does not undo.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "counters/counters.h"
#include "counters/transaction_counters.h"
#include "domain/identity_provider.h"
#include "jose/jwa.h"
#include "jose/key.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/jose_check.h"
#include "keyring/public_key.h"
#include "lib/stringinfo.h"
#include "store/events.h"
#include "store/identity_providers.h"

/* For how long a provider stays due if the worker does not fetch its keys. */
#define DUE_LIFETIME		(INT64CONST(1) * USECS_PER_DAY)

/* After the keys were set, for how long an unknown key does not make the provider due. */
#define FETCH_INTERVAL		(INT64CONST(1) * USECS_PER_MINUTE)

/* The age at which keys are due even if no token has named another one. */
#define OLD_KEYS_AGE		(INT64CONST(1) * USECS_PER_DAY)

/* The members of private and symmetric keys (RFC 7518, section 6). */
static const char *const secret_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

/* ---- the key set ---- */

/* The array "keys" of a JWK Set, or NULL. */
static JsonbContainer *
keys_of(const Jsonb *jwks)
{
	JsonbValue *keys = json_member(jwks, "keys");

	if (keys == NULL || keys->type != jbvBinary || !JsonContainerIsArray(keys->val.binary.data))
		return NULL;
	return keys->val.binary.data;
}

/* Return the key at an index, or NULL if the element is no object. */
static Jsonb *
key_at(JsonbContainer *keys, int index)
{
	return json_container(getIthJsonbValueFromContainer(keys, index));
}

static void
refuse_secret_key(const Jsonb *jwk)
{
	int			i;

	if (json_string_equals(jwk, "kty", "oct"))
		raise_invalid_jwk("the set has a symmetric key (kty oct), with which the provider's clients could sign");
	for (i = 0; i < lengthof(secret_members); i++)
		if (json_member(jwk, secret_members[i]) != NULL)
			raise_invalid_jwk("the set has a private key");
}

/*
 * Return why no ID token can be signed with a key, or NULL.  Such keys are ignored, as
 * RFC 7517, section 5, recommends.
 */
static const char *
key_problem(Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key;
	Span		kid;
	Span		alg;

	if (json_member(jwk, "use") != NULL && !json_string_equals(jwk, "use", "sig"))
		return "it is for another use";
	if (!json_string(jwk, "kid", &kid) || kid.length == 0)
		return "it has no key ID (kid)";
	key = public_key_get(jwk, &reason);
	if (key == NULL)
		return reason;
	if (json_member(jwk, "alg") != NULL &&
		(!json_string(jwk, "alg", &alg) || !jose_key_allows(key, jose_alg_by_name(alg))))
		return "its algorithm (alg) is not supported, or does not fit it";
	return NULL;
}

/* Add a key to the set that is stored: its kid, its alg, and the members of its type. */
static void
add_key(StringInfo json, Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key = public_key_get(jwk, &reason);
	Span		alg;
	char		members[JOSE_MAX_PUBLIC_JWK_LENGTH];
	size_t		length = sizeof(members);

	if (key == NULL)
		elog(ERROR, "the JWK was accepted before and is refused now");
	jose_check_internal(jose_key_public_jwk(key, members, &length));
	json_open(json);
	json_add_string(json, "kid", json_cstring(jwk, "kid"));
	if (json_string(jwk, "alg", &alg))
		json_add_string(json, "alg", jose_alg_name(jose_alg_by_name(alg)));
	/* Without its opening brace: the members follow those above. */
	appendStringInfoChar(json, ',');
	appendBinaryStringInfo(json, members + 1, length - 1);
}

static Jsonb *
find_key(JsonbContainer *keys, Span kid)
{
	int			count = JsonContainerSize(keys);
	int			i;

	for (i = 0; i < count; i++)
	{
		Jsonb	   *jwk = key_at(keys, i);
		Span		other;

		if (jwk != NULL && json_string(jwk, "kid", &other) && other.length == kid.length &&
			memcmp(other.data, kid.data, kid.length) == 0)
			return jwk;
	}
	return NULL;
}

/* Return the keys that are stored, as a JWK Set. */
static Jsonb *
check_keys(JsonbContainer *keys)
{
	int			count = JsonContainerSize(keys);
	int			usable = 0;
	const char *problem = "the set is empty";
	StringInfoData json;
	Jsonb	   *result;
	int			i;

	initStringInfo(&json);
	json_open_array(&json);
	for (i = 0; i < count; i++)
	{
		Jsonb	   *jwk = key_at(keys, i);

		if (jwk == NULL)
			raise_invalid_jwk("the set has an element that is no JSON object");
		refuse_secret_key(jwk);
		problem = key_problem(jwk);
		if (problem == NULL)
		{
			add_key(&json, jwk);
			usable++;
		}
		else if (json_member(jwk, "use") == NULL || json_string_equals(jwk, "use", "sig"))
			ereport(NOTICE,
					(errmsg("ignored a key of an identity provider"),
					 errdetail_internal("Key %d of the set is refused: %s.", i + 1, problem)));
	}
	json_close_array(&json);
	if (usable == 0)
		raise_invalid_jwk(count == 0 ? problem :
						  psprintf("the set has no key that can sign ID tokens; of its last key, %s", problem));
	result = json_to_jsonb(psprintf("{\"keys\": %s}", json.data));
	pfree(json.data);
	return result;
}

static void
refuse_duplicate_kids(const Jsonb *jwks)
{
	JsonbContainer *keys = keys_of(jwks);
	int			count = JsonContainerSize(keys);
	int			i;
	int			j;

	for (i = 0; i < count; i++)
		for (j = 0; j < i; j++)
			if (strcmp(json_cstring(key_at(keys, i), "kid"), json_cstring(key_at(keys, j), "kid")) == 0)
				raise_invalid_jwk("two keys of the set have the same key ID (kid)");
}

Jsonb *
identity_provider_key(const IdentityProvider *provider, Span kid)
{
	JsonbContainer *keys = provider->jwks == NULL ? NULL : keys_of(provider->jwks);

	return keys == NULL ? NULL : find_key(keys, kid);
}

/* ---- due providers ---- */

static char *
due_counter(const char *issuer)
{
	return psprintf("identity_provider/due/%s", issuer);
}

static bool
is_marked(const char *issuer)
{
	return counter_get(due_counter(issuer), DUE_LIFETIME, NULL) > 0;
}

/* Without room for the counter, a later token makes the provider due. */
void
identity_provider_mark_due(const IdentityProvider *provider, TimestampTz now)
{
	if (provider->keys_set_at == 0 || provider->keys_set_at <= now - FETCH_INTERVAL)
		(void) counter_increment(due_counter(provider->issuer), DUE_LIFETIME, false);
}

/* Return why the keys of a provider should be fetched, or NULL. */
static const char *
due_reason(const IdentityProvider *provider, TimestampTz now)
{
	if (provider->keys_set_at == 0)
		return "no_keys";
	if (is_marked(provider->issuer))
		return "unknown_key";
	return provider->keys_set_at <= now - OLD_KEYS_AGE ? "old_keys" : NULL;
}

DueProvider *
identity_provider_due(TimestampTz now, int *count)
{
	int			nproviders;
	IdentityProvider *providers = identity_providers_all(&nproviders);
	DueProvider *due = palloc(sizeof(DueProvider) * Max(nproviders, 1));
	int			i;

	*count = 0;
	for (i = 0; i < nproviders; i++)
	{
		const char *reason = due_reason(&providers[i], now);

		if (reason != NULL)
			due[(*count)++] = (DueProvider) {
				.issuer = providers[i].issuer,
				.keys_set_at = providers[i].keys_set_at,
				.reason = reason
			};
	}
	return due;
}

/* ---- setting keys ---- */

/* The event names the keys, so that a key that nobody expected can be found later. */
static void
record_keys(const char *issuer, const Jsonb *jwks, const char *reason, TimestampTz now)
{
	JsonbContainer *keys = keys_of(jwks);
	int			count = JsonContainerSize(keys);
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "issuer", issuer);
	if (reason != NULL)
		json_add_string(&json, "reason", reason);
	json_add_name(&json, "kids");
	for (i = 0; i < count; i++)
	{
		appendStringInfoString(&json, i == 0 ? "[" : ", ");
		json_append_string(&json, json_cstring(key_at(keys, i), "kid"));
	}
	appendStringInfoChar(&json, ']');
	json_close(&json);
	events_insert("identity_provider.keys_changed", NULL, NULL, json_to_jsonb(json.data), now);
	pfree(json.data);
}

static bool
is_same_jsonb(const Jsonb *a, const Jsonb *b)
{
	return a != NULL && compareJsonbContainers((JsonbContainer *) &a->root,
											   (JsonbContainer *) &b->root) == 0;
}

pg_noreturn static void
raise_unknown_provider(const char *issuer)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("identity provider \"%s\" does not exist", issuer),
			 errhint("Create it with anon_auth.create_identity_provider().")));
}

void
identity_provider_set_keys(const char *issuer, Jsonb *jwks, TimestampTz now)
{
	IdentityProvider provider;
	JsonbContainer *keys = keys_of(jwks);
	Jsonb	   *checked;

	if (!identity_providers_find(issuer, &provider))
		raise_unknown_provider(issuer);
	if (!JB_ROOT_IS_OBJECT(jwks) || keys == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jwks is not a JWK Set"),
				 errdetail("A JWK Set is a JSON object with an array \"keys\".")));
	if (JsonContainerSize(keys) > PROVIDER_KEYS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jwks has more than %d keys", PROVIDER_KEYS_MAX)));
	checked = check_keys(keys);
	refuse_duplicate_kids(checked);
	if (!is_same_jsonb(provider.jwks, checked))
		record_keys(issuer, checked, due_reason(&provider, now), now);
	if (!identity_providers_set_keys(issuer, checked, now))
		raise_unknown_provider(issuer);
	counter_clear_at_commit(due_counter(issuer));
}
