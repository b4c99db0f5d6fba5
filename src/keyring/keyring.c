/*-------------------------------------------------------------------------
 *
 * keyring.c
 *	  The signing keys of this database, cached in this backend.
 *
 * Parsing and unsealing a key costs more than using it, so parsed keys are
 * kept.  Whether a kept key is still the right one is read from the table
 * once a statement (kid, state, time of creation): see statement_stamp_set().
 *
 * The private part is unsealed only when something is signed, so that tokens
 * can be verified where the master key file is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "errors.h"
#include "json/json.h"
#include "keyring/keyring.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"
#include "miscadmin.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define ID_TOKEN_LIFETIME_SECONDS	300
#define ROTATION_SLACK_SECONDS		300

typedef struct CachedKey
{
	SigningKey	signing_key;
	TimestampTz created_at;
	bool		has_private;
	StatementStamp stamp;		/* when kid and state were last read */
	struct CachedKey *next;
} CachedKey;

static CachedKey *cached_keys = NULL;

/* The kid that signs in this statement. */
static struct
{
	StatementStamp stamp;
	char	   *kid;
}			current_signer;

static CachedKey *
cache_lookup(const char *kid)
{
	CachedKey  *entry;

	for (entry = cached_keys; entry != NULL; entry = entry->next)
		if (strcmp(entry->signing_key.kid, kid) == 0)
			return entry;
	return NULL;
}

static CachedKey *
cache_add(const char *kid)
{
	CachedKey  *entry = MemoryContextAllocZero(TopMemoryContext, sizeof(CachedKey));

	entry->signing_key.kid = MemoryContextStrdup(TopMemoryContext, kid);
	entry->next = cached_keys;
	cached_keys = entry;
	return entry;
}

static JoseAlg
alg_by_cstring(const char *name)
{
	JoseSpan	span = {name, strlen(name)};

	return jose_alg_by_name(span);
}

/* Parses a row's key; the private part too if asked for, or if it has no other. */
static void
parse_key(CachedKey *entry, const SigningKeyRow *row, bool want_private)
{
	JoseJwk		jwk;
	JoseKey    *key = NULL;
	JoseStatus	status;
	const char *reason = json_jwk(row->public_jwk, &jwk);
	bool		symmetric = reason == NULL && jwk.kty.length == 3 &&
		memcmp(jwk.kty.data, "oct", 3) == 0;

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signing key \"%s\" is damaged", row->kid),
				 errdetail_internal("%s", reason)));
	if (want_private || symmetric)
		status = unseal_private_key(row, &jwk, &key);
	else
		status = jose_key_import(&jwk, &key);
	if (status != JOSE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signing key \"%s\" is damaged", row->kid),
				 errdetail_internal("%s", jose_status_message(status))));

	jose_key_free(entry->signing_key.key);
	entry->signing_key.key = key;
	entry->signing_key.alg = alg_by_cstring(row->alg);
	entry->created_at = row->created_at;
	entry->has_private = want_private || symmetric;
}

/* The key of a row as it stands, or NULL where there is none. */
static CachedKey *
get_key(const char *kid, bool want_private)
{
	CachedKey  *entry = cache_lookup(kid);
	SigningKeyRow row;

	if (entry != NULL && statement_stamp_holds(&entry->stamp) &&
		(entry->has_private || !want_private))
		return entry;

	if (!signing_key_peek(kid, &row))
		return NULL;
	if (entry == NULL || entry->created_at != row.created_at ||
		(want_private && !entry->has_private))
	{
		if (!signing_key_find(kid, &row))
			return NULL;
		if (entry == NULL)
			entry = cache_add(kid);
		parse_key(entry, &row, want_private);
	}
	entry->signing_key.active = strcmp(row.state, "active") == 0;
	entry->signing_key.published = entry->signing_key.active ||
		(strcmp(row.state, "retiring") == 0 && row.verify_until > GetCurrentTimestamp());
	statement_stamp_set(&entry->stamp);
	return entry;
}

static void
forget_current_signer(void)
{
	current_signer.stamp.changed = true;
}

static const char *
current_kid(void)
{
	SigningKeyRow row;

	if (statement_stamp_holds(&current_signer.stamp))
		return current_signer.kid;
	if (!signing_key_peek(NULL, &row))
	{
		keyring_ensure_signer();
		if (!signing_key_peek(NULL, &row))
			ereport(ERROR,
					(errcode(ERRCODE_AA_SIGNING_KEY),
					 errmsg("there is no active signing key"),
					 errhint("Make one with anon_auth.create_signing_key().")));
	}
	if (current_signer.kid == NULL || strcmp(current_signer.kid, row.kid) != 0)
	{
		if (current_signer.kid != NULL)
			pfree(current_signer.kid);
		current_signer.kid = NULL;
		current_signer.kid = MemoryContextStrdup(TopMemoryContext, row.kid);
	}
	statement_stamp_set(&current_signer.stamp);
	return current_signer.kid;
}

/*
 * A rotation can commit between the statement that names the current key and
 * the one that reads it.
 */
static CachedKey *
get_current_key(void)
{
	for (;;)
	{
		CachedKey  *entry = get_key(current_kid(), true);

		if (entry != NULL && entry->signing_key.active)
			return entry;
		forget_current_signer();
		CHECK_FOR_INTERRUPTS();
	}
}

const SigningKey *
keyring_signer(const char *kid)
{
	CachedKey  *entry = kid != NULL ? get_key(kid, true) : get_current_key();

	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AA_SIGNING_KEY),
				 errmsg("there is no signing key \"%s\"", kid)));
	if (!entry->signing_key.active)
		ereport(ERROR,
				(errcode(ERRCODE_AA_SIGNING_KEY),
				 errmsg("signing key \"%s\" is not active", entry->signing_key.kid)));
	return &entry->signing_key;
}

const SigningKey *
keyring_verifier(const char *kid)
{
	CachedKey  *entry = get_key(kid, false);

	return entry != NULL && entry->signing_key.published ? &entry->signing_key : NULL;
}

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
		check_jose_internal(jose_key_thumbprint(key, bytes));
	else if (!pg_strong_random(bytes, sizeof(bytes)))
		check_jose_internal(JOSE_FAILURE);
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
	check_jose_internal(jose_key_public_jwk(key, json, &length));
	json[length] = '\0';
	return json_to_jsonb(json);
}

/* It reads the keys again: see postgrest_pre_config(). */
static void
tell_postgrest(void)
{
	Async_Notify("pgrst", "reload config");
}

/* Keys that this statement has read already have changed. */
static void
forget_states(void)
{
	CachedKey  *entry;

	forget_current_signer();
	for (entry = cached_keys; entry != NULL; entry = entry->next)
		entry->stamp.changed = true;
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
	seal_private_key(&row, key);
	jose_key_free(key);
	forget_current_signer();
	if (!signing_key_insert(&row))
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
	master_key_check_again();
	(void) master_key_current_id();
}

static bool
can_sign_with(JoseAlg alg)
{
	return alg == JOSE_ALG_ES256 || alg == JOSE_ALG_EDDSA || alg == JOSE_ALG_RS256 ||
		alg == JOSE_ALG_PS256 || alg == JOSE_ALG_HS256;
}

char *
keyring_create(const char *alg_name)
{
	JoseAlg		alg = alg_by_cstring(alg_name);
	JoseKey    *key;
	char	   *kid;

	if (!can_sign_with(alg) || alg == JOSE_ALG_HS256)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a signing key cannot have algorithm \"%s\"", alg_name),
				 errdetail("Keys are made for ES256, EdDSA, RS256 and PS256."),
				 alg == JOSE_ALG_HS256 ?
				 errhint("Import a secret with anon_auth.import_signing_key().") : 0));
	prepare_to_seal();
	check_jose_internal(jose_key_generate(alg, &key));
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

	return name != NULL ? alg_by_cstring(name) : jose_key_default_alg(key);
}

char *
keyring_import(Jsonb *jwk)
{
	JoseJwk		members;
	JoseKey    *key = NULL;
	JoseAlg		alg = JOSE_ALG_UNKNOWN;
	const char *reason = json_jwk(jwk, &members);
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
			if (!can_sign_with(alg) || !jose_key_allows(key, alg))
				reason = "tokens are signed with ES256, EdDSA, RS256, PS256 or HS256, and the algorithm must fit the key";
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
	int			lifetime = Max(clients_longest_access_token(), ID_TOKEN_LIFETIME_SECONDS);

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
		alg = signing_key_peek(NULL, &current) && strcmp(current.alg, "HS256") != 0 ?
			current.alg : "ES256";
	kid = keyring_create(alg);
	signing_keys_end_retiring(now);
	signing_keys_begin_retiring(kid, now, last_expiry(now));
	forget_states();
	return kid;
}

void
keyring_retire(const char *kid)
{
	SigningKeyRow current;

	signing_keys_lock();
	if (!signing_key_retire(kid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no signing key \"%s\"", kid)));
	if (!signing_key_peek(NULL, &current))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signing key \"%s\" is the only active one", kid),
				 errhint("Put another in its place first, with anon_auth.rotate_signing_key().")));
	forget_states();
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
		members = jsonb_to_json(rows[i].public_jwk);
		if (json.data[json.len - 1] == '}')
			appendStringInfoChar(&json, ',');

		/* Reopen the object to add what a verifier needs to choose a key. */
		appendBinaryStringInfo(&json, members, strlen(members) - 1);
		json_add_string(&json, "kid", rows[i].kid);
		json_add_string(&json, "alg", rows[i].alg);
		json_add_string(&json, "use", "sig");
		json_close(&json);
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}
