/*-------------------------------------------------------------------------
 *
 * key_cache.c
 *	  The parsed signing keys of this database, cached in this backend.
 *
 * Parsing and unsealing a key takes longer than using it, so parsed keys are
 * kept.  Once per statement the key's kid, state and times are read from the table
 * (statement_stamp_set()), so that every backend changes to a new key within a
 * second.  The key itself is read again only if its time of creation has changed.
 *
 * The private part is unsealed only to sign, so that tokens can be verified on
 * servers without the master key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/span.h"
#include "json/jwk.h"
#include "keyring/key_cache.h"
#include "keyring/master_key_recording.h"
#include "keyring/sealing.h"
#include "miscadmin.h"
#include "store/signing_keys.h"
#include "store/statement_stamp.h"
#include "utils/memutils.h"

/* How many keys are kept.  A statement that uses more keys exceeds this. */
#define MAX_CACHED_KEYS		16

typedef struct CachedKey
{
	SigningKey	signing_key;
	TimestampTz created_at;
	bool		has_private;
	StatementStamp stamp;		/* statement in which the row was last read */
	struct CachedKey *next;
} CachedKey;

static CachedKey *cached_keys = NULL;

/* The kid of the key that signs in a statement. */
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

/* Remove the entry that a link points to, and wipe its key. */
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
 * Remove the oldest entries, except keys that the current statement may be using.  A
 * backend can outlive many rotations of keys.
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

/*
 * Parse the key of a row into an entry, with the private part if want_private is true or
 * the key is symmetric.
 */
static void
parse_key(CachedKey *entry, const SigningKeyRow *row, bool want_private)
{
	JoseJwk		jwk;
	JoseKey    *key = NULL;
	JoseStatus	status;
	const char *reason = jwk_from_jsonb(row->public_jwk, &jwk);
	bool		symmetric = reason == NULL && span_equals(jwk.kty, "oct");

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
	entry->signing_key.alg = jose_alg_by_name(span_of_string(row->alg));
	entry->created_at = row->created_at;
	entry->has_private = want_private || symmetric;
	if (entry->has_private)
		master_key_record_opened(row->master_key_id);
}

/*
 * Return the key of a row of which only kid, state and times were read.  Reads the other
 * columns if the cache does not have the key.  Returns NULL if the row was deleted in
 * between.
 */
static CachedKey *
cache_row(SigningKeyRow *row, bool want_private, TimestampTz now)
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
	entry->signing_key.can_sign = signing_key_can_sign(row, now);
	entry->signing_key.published = entry->signing_key.can_sign ||
		(strcmp(row->state, "retiring") == 0 && row->verify_until > now);
	statement_stamp_set(&entry->stamp);
	return entry;
}

static bool
is_up_to_date(const CachedKey *entry, bool want_private)
{
	return entry != NULL && statement_stamp_holds(&entry->stamp) &&
		(entry->has_private || !want_private);
}

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
	return cache_row(&row, want_private, GetCurrentTimestamp());
}

const SigningKey *
key_cache_get(const char *kid, bool want_private)
{
	CachedKey  *entry = get_key(kid, want_private);

	return entry != NULL ? &entry->signing_key : NULL;
}

void
key_cache_forget_current(void)
{
	current_signer.stamp.changed = true;
}

static void
set_current_signer(const char *kid)
{
	if (current_signer.kid == NULL || strcmp(current_signer.kid, kid) != 0)
	{
		if (current_signer.kid != NULL)
			pfree(current_signer.kid);
		current_signer.kid = NULL;	/* the next line can raise an error */
		current_signer.kid = MemoryContextStrdup(TopMemoryContext, kid);
	}
	statement_stamp_set(&current_signer.stamp);
}

/*
 * A key can be retired after it was found and before its other columns were read.  In
 * that case, the loop finds the key that signs now.
 */
const SigningKey *
key_cache_get_current(void)
{
	TimestampTz now = GetCurrentTimestamp();
	CachedKey  *entry;
	SigningKeyRow row;

	if (statement_stamp_holds(&current_signer.stamp))
	{
		entry = cache_lookup(current_signer.kid);
		if (is_up_to_date(entry, true) && entry->signing_key.can_sign)
			return &entry->signing_key;
	}
	while (signing_keys_find_signer(now, &row))
	{
		set_current_signer(row.kid);
		entry = cache_row(&row, true, now);
		if (entry != NULL && entry->signing_key.can_sign)
			return &entry->signing_key;
		CHECK_FOR_INTERRUPTS();
		now = GetCurrentTimestamp();
	}
	return NULL;
}

void
key_cache_forget_states(void)
{
	CachedKey  *entry;

	key_cache_forget_current();
	for (entry = cached_keys; entry != NULL; entry = entry->next)
		entry->stamp.changed = true;
}
