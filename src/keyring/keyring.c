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

#include "base/raise.h"
#include "jose/key.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/jwk.h"
#include "keyring/keyring.h"
#include "keyring/keyring_private.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"
#include "miscadmin.h"
#include "store/statement_stamp.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MAX_CACHED_KEYS		16

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

/* Takes out the entry that a link leads to, and wipes its key. */
static void
cache_remove(CachedKey **link)
{
	CachedKey  *entry = *link;

	*link = entry->next;
	jose_key_free(entry->signing_key.key);
	pfree(entry->signing_key.kid);
	pfree(entry);
}

static void
cache_forget(const char *kid)
{
	CachedKey **link;

	for (link = &cached_keys; *link != NULL; link = &(*link)->next)
	{
		if (strcmp((*link)->signing_key.kid, kid) == 0)
		{
			cache_remove(link);
			return;
		}
	}
}

/*
 * A backend may live through many rotations.  Beyond so many keys the ones that
 * were added first go, but for those that this statement may be using.
 */
static void
cache_make_room(void)
{
	CachedKey **link = &cached_keys;
	int			kept = 0;

	while (*link != NULL)
	{
		if (++kept < MAX_CACHED_KEYS || statement_stamp_is_of_statement(&(*link)->stamp))
			link = &(*link)->next;
		else
			cache_remove(link);
	}
}

static CachedKey *
cache_add(const char *kid)
{
	CachedKey  *entry;

	cache_make_room();
	entry = MemoryContextAllocZero(TopMemoryContext, sizeof(CachedKey));
	entry->signing_key.kid = MemoryContextStrdup(TopMemoryContext, kid);
	entry->next = cached_keys;
	cached_keys = entry;
	return entry;
}

JoseAlg
keyring_alg(const char *name)
{
	Span	span = {name, strlen(name)};

	return jose_alg_by_name(span);
}

/* Parses a row's key; the private part too if asked for, or if it has no other. */
static void
parse_key(CachedKey *entry, const SigningKeyRow *row, bool want_private)
{
	JoseJwk		jwk;
	JoseKey    *key = NULL;
	JoseStatus	status;
	const char *reason = jwk_from_jsonb(row->public_jwk, &jwk);
	bool		symmetric = reason == NULL && jwk.kty.length == 3 &&
		memcmp(jwk.kty.data, "oct", 3) == 0;

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signing key \"%s\" is damaged", row->kid),
				 errdetail_internal("%s", reason)));
	if (want_private || symmetric)
		status = sealing_import_key(row, &jwk, &key);
	else
		status = jose_key_import(&jwk, &key);
	if (status != JOSE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signing key \"%s\" is damaged", row->kid),
				 errdetail_internal("%s", jose_status_message(status))));

	jose_key_free(entry->signing_key.key);
	entry->signing_key.key = key;
	entry->signing_key.alg = keyring_alg(row->alg);
	entry->created_at = row->created_at;
	entry->has_private = want_private || symmetric;
	if (entry->has_private)
		master_key_record_opened(row->master_key_id);
}

/* The key of a row that was just read; NULL if the row has gone meanwhile. */
static CachedKey *
cache_row(SigningKeyRow *row, bool want_private)
{
	CachedKey  *entry = cache_lookup(row->kid);

	if (entry == NULL || entry->created_at != row->created_at ||
		(want_private && !entry->has_private))
	{
		char	   *kid = row->kid;

		if (!signing_keys_find(kid, row))
			return NULL;
		if (entry == NULL)
			entry = cache_add(kid);
		parse_key(entry, row, want_private);
	}
	entry->signing_key.active = strcmp(row->state, "active") == 0;
	entry->signing_key.published = entry->signing_key.active ||
		(strcmp(row->state, "retiring") == 0 && row->verify_until > GetCurrentTimestamp());
	statement_stamp_set(&entry->stamp);
	return entry;
}

static bool
is_up_to_date(const CachedKey *entry, bool want_private)
{
	return entry != NULL && statement_stamp_holds(&entry->stamp) &&
		(entry->has_private || !want_private);
}

/* The key as its row stands, or NULL where there is none. */
static CachedKey *
get_key(const char *kid, bool want_private)
{
	CachedKey  *entry = cache_lookup(kid);
	SigningKeyRow row;

	if (is_up_to_date(entry, want_private))
		return entry;
	if (!signing_keys_find_state(kid, &row))
	{
		cache_forget(kid);
		return NULL;
	}
	return cache_row(&row, want_private);
}

void
keyring_forget_current_signer(void)
{
	current_signer.stamp.changed = true;
}

static void
peek_current(SigningKeyRow *row)
{
	if (signing_keys_find_state(NULL, row))
		return;
	keyring_ensure_signer();
	if (!signing_keys_find_state(NULL, row))
		raise_no_signing_key();
}

static void
set_current_signer(const char *kid)
{
	if (current_signer.kid == NULL || strcmp(current_signer.kid, kid) != 0)
	{
		if (current_signer.kid != NULL)
			pfree(current_signer.kid);
		current_signer.kid = NULL;
		current_signer.kid = MemoryContextStrdup(TopMemoryContext, kid);
	}
	statement_stamp_set(&current_signer.stamp);
}

/*
 * A rotation can commit between the statement that names the current key and
 * the one that reads all of it.
 */
static CachedKey *
get_current_key(void)
{
	CachedKey  *entry;
	SigningKeyRow row;

	if (statement_stamp_holds(&current_signer.stamp))
	{
		entry = cache_lookup(current_signer.kid);
		if (is_up_to_date(entry, true) && entry->signing_key.active)
			return entry;
	}
	for (;;)
	{
		peek_current(&row);
		set_current_signer(row.kid);
		entry = cache_row(&row, true);
		if (entry != NULL && entry->signing_key.active)
			return entry;
		CHECK_FOR_INTERRUPTS();
	}
}

const SigningKey *
keyring_signer(const char *kid)
{
	CachedKey  *entry = kid != NULL ? get_key(kid, true) : get_current_key();

	if (entry == NULL)
		raise_unknown_signing_key(kid);
	if (!entry->signing_key.active)
		raise_inactive_signing_key(entry->signing_key.kid);
	return &entry->signing_key;
}

const SigningKey *
keyring_verifier(const char *kid)
{
	CachedKey  *entry = get_key(kid, false);

	return entry != NULL && entry->signing_key.published ? &entry->signing_key : NULL;
}

void
keyring_forget_states(void)
{
	CachedKey  *entry;

	keyring_forget_current_signer();
	for (entry = cached_keys; entry != NULL; entry = entry->next)
		entry->stamp.changed = true;
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
