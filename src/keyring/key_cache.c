/*-------------------------------------------------------------------------
 *
 * key_cache.c
 *	  The parsed signing keys of this database, cached in this backend.
 *
 * Parsing and unsealing a key takes longer than using it, so parsed keys are
 * kept.  The key's kid, state and times are read again when the table has changed
 * (cached_table.h), the key itself only if its time of creation has changed.  Which keys
 * sign and verify also depends on the time, and is decided once a statement.
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
#include "store/cached_table.h"
#include "store/signing_keys.h"
#include "utils/memutils.h"

/* How many keys are kept.  A statement that uses more keys exceeds this. */
#define MAX_CACHED_KEYS		16

typedef struct CachedKey
{
	SigningKey	signing_key;
	TimestampTz created_at;
	bool		has_private;
	CacheStamp	stamp;			/* when the following was read */
	bool		is_active;
	bool		is_retiring;
	TimestampTz retiring_since;
	TimestampTz verify_until;
	struct CachedKey *next;
} CachedKey;

static CachedKey *cached_keys = NULL;

/* The kid of the key that signs from a time until another. */
static struct
{
	CacheStamp	stamp;
	char	   *kid;
	TimestampTz since;
	TimestampTz until;
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
		if (++kept < MAX_CACHED_KEYS || cache_stamp_is_of_statement(&(*link)->stamp))
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
cache_row(SigningKeyRow *row, bool want_private, const CacheStamp *stamp)
{
	CachedKey  *entry = cache_lookup(row->kid);

	if (entry == NULL || entry->created_at != row->created_at ||
		(want_private && !entry->has_private))
	{
		char	   *kid = row->kid;

		if (!signing_keys_find(kid, stamp, row))
			return NULL;
		if (entry == NULL)
			entry = cache_add(kid);
		parse_key(entry, row, want_private);
	}
	entry->is_active = strcmp(row->state, "active") == 0;
	entry->is_retiring = strcmp(row->state, "retiring") == 0;
	entry->retiring_since = row->retiring_since;
	entry->verify_until = row->verify_until;
	entry->stamp = *stamp;
	return entry;
}

/*
 * Return the key of an entry, with its flags as of the time when its stamp was checked: a
 * call that signs two tokens must not find that its key has stopped signing in between.
 * A key whose signs_from has not come can sign as well, if a caller names it.
 */
static const SigningKey *
key_of(CachedKey *entry)
{
	SigningKey *key = &entry->signing_key;
	TimestampTz now = cache_stamp_checked_at(&entry->stamp);

	key->can_sign = entry->is_active || (entry->is_retiring && entry->retiring_since > now);
	key->published = key->can_sign || (entry->is_retiring && entry->verify_until > now);
	return key;
}

static bool
is_up_to_date(CachedKey *entry, bool want_private)
{
	return entry != NULL && cache_stamp_holds(&entry->stamp, CACHED_SIGNING_KEYS) &&
		(entry->has_private || !want_private);
}

const SigningKey *
key_cache_get(const char *kid, bool want_private)
{
	CachedKey  *entry = cache_lookup(kid);
	SigningKeyRow row;

	if (!is_up_to_date(entry, want_private))
	{
		CacheStamp	stamp = cache_stamp_take(CACHED_SIGNING_KEYS);

		if (!signing_keys_find_state(kid, &stamp, &row))
		{
			cache_forget(kid);
			return NULL;
		}
		entry = cache_row(&row, want_private, &stamp);
	}
	return entry != NULL ? key_of(entry) : NULL;
}

static void
set_current_signer(const char *kid, TimestampTz now, TimestampTz until, const CacheStamp *stamp)
{
	memset(&current_signer.stamp, 0, sizeof(CacheStamp));
	if (current_signer.kid == NULL || strcmp(current_signer.kid, kid) != 0)
	{
		if (current_signer.kid != NULL)
			pfree(current_signer.kid);
		current_signer.kid = NULL;	/* the next line can raise an error */
		current_signer.kid = MemoryContextStrdup(TopMemoryContext, kid);
	}
	current_signer.since = now;
	current_signer.until = until;
	current_signer.stamp = *stamp;
}

/* Return the key that signed last, if it still does, otherwise NULL. */
static const SigningKey *
get_known_signer(void)
{
	CachedKey  *entry;
	TimestampTz now;

	if (!cache_stamp_holds(&current_signer.stamp, CACHED_SIGNING_KEYS))
		return NULL;
	now = cache_stamp_checked_at(&current_signer.stamp);
	if (now < current_signer.since || now >= current_signer.until)
		return NULL;
	entry = cache_lookup(current_signer.kid);
	return is_up_to_date(entry, true) ? key_of(entry) : NULL;
}

/*
 * A key can be retired after it was found and before its other columns were read.  In
 * that case, the loop finds the key that signs now.
 */
const SigningKey *
key_cache_get_current(void)
{
	const SigningKey *key = get_known_signer();

	while (key == NULL || !key->can_sign)
	{
		CacheStamp	stamp = cache_stamp_take(CACHED_SIGNING_KEYS);
		TimestampTz now = cache_stamp_checked_at(&stamp);
		TimestampTz until;
		CachedKey  *entry;
		SigningKeyRow row;

		CHECK_FOR_INTERRUPTS();
		if (!signing_keys_find_signer(now, &stamp, &row, &until))
			return NULL;
		set_current_signer(row.kid, now, until, &stamp);
		entry = cache_row(&row, true, &stamp);
		key = entry != NULL ? key_of(entry) : NULL;
	}
	return key;
}
