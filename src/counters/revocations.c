/*-------------------------------------------------------------------------
 *
 * revocations.c
 *	  Revocations of sessions that a rollback does not undo: see revocations.h.
 *
 * A keyed hash of the user's id selects a bucket.  Changes lock the bucket with a
 * heavyweight lock, as in counters.c.  The end of a transaction takes no lock: it
 * removes a revocation by one compare-and-exchange of its generation.
 *
 * If a backend is killed during a change, nothing has to be undone.  The fields of a free
 * slot count only from the last write on, which sets its generation.  A change of a live
 * one can only make it hold for more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "counters/counter_file.h"
#include "counters/revocations.h"
#include "json/raise_json.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* The last field of the lock tags.  SQL cannot take these locks: see counter_file.c. */
#define REVOCATION_LOCK_SPACE	0x6166

static CounterRevocation *
bucket_of(CounterFile *file, const pg_uuid_t *user_id, LOCKTAG *tag)
{
	uint8		hash[crypto_shorthash_siphashx24_BYTES];
	uint32		number;

	crypto_shorthash_siphashx24(hash, user_id->data, UUID_LEN, file->hash_key);
	memcpy(&number, hash, sizeof(number));
	number %= counter_revocation_buckets(file->nbuckets);
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, number, 0, REVOCATION_LOCK_SPACE);
	return counter_file_revocations(file) + (size_t) number * REVOCATION_BUCKET_SLOTS;
}

static bool
is_live(CounterRevocation *slot, TimestampTz now)
{
	return pg_atomic_read_u64(&slot->generation) != 0 && slot->expires_at > now;
}

/* Return the live slot of the user, or NULL.  *unused is set to a slot that is not live, or NULL. */
static CounterRevocation *
find_slot(CounterRevocation *bucket, const pg_uuid_t *user_id, TimestampTz now,
		  CounterRevocation **unused)
{
	int			i;

	*unused = NULL;
	for (i = 0; i < REVOCATION_BUCKET_SLOTS; i++)
	{
		if (!is_live(&bucket[i], now))
			*unused = &bucket[i];
		else if (memcmp(bucket[i].user_id, user_id->data, UUID_LEN) == 0)
			return &bucket[i];
	}
	return NULL;
}

/*
 * Set revoked_until to expires_at unless it is later.  Times are after 2000, so they are
 * positive and can be compared as unsigned numbers.
 */
static void
raise_revoked_until(CounterFile *file, TimestampTz expires_at)
{
	uint64		until = pg_atomic_read_u64(&file->revoked_until);

	while (until < (uint64) expires_at &&
		   !pg_atomic_compare_exchange_u64(&file->revoked_until, &until, (uint64) expires_at))
		;
}

static void
set_generation(CounterFile *file, CounterRevocation *slot)
{
	pg_write_barrier();
	pg_atomic_write_u64(&slot->generation,
						pg_atomic_fetch_add_u64(&file->next_generation, 1) + 1);
}

static void
fill_slot(CounterFile *file, CounterRevocation *slot, const pg_uuid_t *user_id,
		  const pg_uuid_t *session_id, TimestampTz expires_at)
{
	/* It may have expired. */
	pg_atomic_write_u64(&slot->generation, 0);
	pg_write_barrier();
	memcpy(slot->user_id, user_id->data, UUID_LEN);
	memcpy(slot->session_id, session_id->data, UUID_LEN);
	slot->until = 0;
	slot->expires_at = expires_at;
	set_generation(file, slot);
}

/* Let a revocation hold for a session, too. */
static void
widen_slot(CounterFile *file, CounterRevocation *slot, const pg_uuid_t *session_id,
		   TimestampTz expires_at, TimestampTz now)
{
	slot->expires_at = Max(slot->expires_at, expires_at);
	if (memcmp(slot->session_id, session_id->data, UUID_LEN) == 0)
		return;
	slot->until = now;
	set_generation(file, slot);
}

void
revocation_add(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz expires_at)
{
	CounterFile *file = counter_file_get();
	CounterRevocation *bucket;
	CounterRevocation *slot;
	CounterRevocation *unused;
	TimestampTz now;
	LOCKTAG		tag;

	raise_revoked_until(file, expires_at);
	bucket = bucket_of(file, user_id, &tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	now = GetCurrentTimestamp();
	slot = find_slot(bucket, user_id, now, &unused);
	if (slot != NULL)
		widen_slot(file, slot, session_id, expires_at, now);
	else if (unused != NULL)
		fill_slot(file, unused, user_id, session_id, expires_at);
	LockRelease(&tag, ExclusiveLock, false);
	if (slot == NULL && unused == NULL)
	{
		counter_statistic_add(COUNTER_NO_ROOM, 1);
		raise_counters_full();
	}
}

static void
copy_slot(CounterRevocation *slot, Revocation *revocation)
{
	memcpy(revocation->user_id.data, slot->user_id, UUID_LEN);
	memcpy(revocation->session_id.data, slot->session_id, UUID_LEN);
	revocation->until = slot->until;
	revocation->generation = pg_atomic_read_u64(&slot->generation);
}

bool
revocation_find(const pg_uuid_t *user_id, Revocation *revocation)
{
	LOCKTAG		tag;
	CounterRevocation *bucket = bucket_of(counter_file_get(), user_id, &tag);
	CounterRevocation *slot;
	CounterRevocation *unused;

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	slot = find_slot(bucket, user_id, GetCurrentTimestamp(), &unused);
	if (slot != NULL)
		copy_slot(slot, revocation);
	LockRelease(&tag, ExclusiveLock, false);
	return slot != NULL;
}

bool
revocations_exist(void)
{
	return pg_atomic_read_u64(&counter_file_get()->revoked_until) > (uint64) GetCurrentTimestamp();
}

bool
revocation_holds(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz started_at)
{
	Revocation	revocation;

	return revocations_exist() && revocation_find(user_id, &revocation) &&
		(started_at <= revocation.until ||
		 memcmp(&revocation.session_id, session_id, UUID_LEN) == 0);
}

Revocation *
revocations_list(int limit, int *count)
{
	CounterFile *file = counter_file_get();
	CounterRevocation *slots = counter_file_revocations(file);
	int			size = counter_revocation_buckets(file->nbuckets) * REVOCATION_BUCKET_SLOTS;
	TimestampTz now = GetCurrentTimestamp();
	Revocation *list = NULL;
	int			i;

	*count = 0;
	if (!revocations_exist())
		return NULL;
	for (i = 0; i < size && *count < limit; i++)
	{
		pg_uuid_t	user_id;

		if (!is_live(&slots[i], now))
			continue;
		memcpy(user_id.data, slots[i].user_id, UUID_LEN);
		if (list == NULL)
			list = palloc(sizeof(Revocation) * Min(limit, size));
		if (revocation_find(&user_id, &list[*count]))
			(*count)++;
	}
	return list;
}

void
revocation_remove(const Revocation *revocation)
{
	CounterFile *file = counter_file_peek();
	CounterRevocation *bucket;
	LOCKTAG		tag;
	int			i;

	if (file == NULL)
		return;
	bucket = bucket_of(file, &revocation->user_id, &tag);
	for (i = 0; i < REVOCATION_BUCKET_SLOTS; i++)
	{
		uint64		generation = revocation->generation;

		(void) pg_atomic_compare_exchange_u64(&bucket[i].generation, &generation, 0);
	}
}
