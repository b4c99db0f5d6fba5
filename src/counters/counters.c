/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Operations on counters: see counters.h.
 *
 * A keyed hash of a counter's name selects a bucket and is the key within it.
 * Every operation locks the bucket with a heavyweight lock, because PostgreSQL
 * releases such a lock however the backend ends.  Code between lock and unlock
 * raises no error and does not wait, so locks are short and cannot deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "counters/counter_file.h"
#include "json/raise_json.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* The last field of the lock tags.  SQL cannot take these locks: see counter_file.c. */
#define BUCKET_LOCK_SPACE	0x6163

/* Counters that live longer than this are long-lived: see free_slot(). */
#define LONG_INTERVAL		(10 * USECS_PER_MINUTE)

/* A locked bucket, and the key of a counter in it. */
typedef struct Place
{
	CounterFile *file;
	CounterBucket *bucket;
	uint64		key;
	TimestampTz now;			/* read when the bucket was locked */
	LOCKTAG		tag;
} Place;

static void
locate_bucket(const char *name, bool is_mark, Place *place)
{
	uint64		hash[2];

	StaticAssertStmt(sizeof(hash) == crypto_shorthash_siphashx24_BYTES, "hash lengths differ");
	place->file = counter_file_get();
	crypto_shorthash_siphashx24((unsigned char *) hash, (const unsigned char *) name,
								strlen(name), place->file->hash_key);
	/* The lowest bit tells marks from other counters. */
	place->key = is_mark ? hash[0] | 1 : hash[0] & ~UINT64CONST(1);
	if (place->key == 0)
		place->key = 2;
	place->bucket = &place->file->buckets[hash[1] % place->file->nbuckets];
}

/* Undo a change during which a backend was killed. */
static void
undo_change(CounterBucket *bucket)
{
	if (bucket->undo_slot == 0)
		return;
	if (bucket->undo_slot <= COUNTER_BUCKET_CELLS)
	{
		bucket->keys[bucket->undo_slot - 1] = bucket->undo_key;
		bucket->cells[bucket->undo_slot - 1] = bucket->undo_cell;
	}
	pg_write_barrier();
	bucket->undo_slot = 0;
}

static void
lock_bucket(const char *name, bool is_mark, Place *place)
{
	locate_bucket(name, is_mark, place);
	SET_LOCKTAG_ADVISORY(place->tag, MyDatabaseId,
						 (uint32) (place->bucket - place->file->buckets), 0, BUCKET_LOCK_SPACE);
	(void) LockAcquire(&place->tag, ExclusiveLock, false, false);
	undo_change(place->bucket);
	place->now = GetCurrentTimestamp();
}

static void
unlock_bucket(Place *place)
{
	LockRelease(&place->tag, ExclusiveLock, false);
}

/* Return the slot with the key of the counter, live or expired, or -1. */
static int
slot_of(const Place *place)
{
	int			i;

	for (i = 0; i < COUNTER_BUCKET_CELLS; i++)
		if (place->bucket->keys[i] == place->key)
			return i;
	return -1;
}

/*
 * Return an expired slot for a new counter, or -1.  Marks may fill a quarter of a bucket,
 * and long-lived counters half of it.  The last quarter always has room for limits per
 * minute, whose counters expire within seconds.
 */
static int
free_slot(const Place *place, int64 lifetime)
{
	TimestampTz long_lived = place->now + LONG_INTERVAL;
	int			marks = 0;
	int			long_counters = 0;
	int			slot = -1;
	int			i;

	for (i = 0; i < COUNTER_BUCKET_CELLS; i++)
	{
		TimestampTz end = place->bucket->cells[i].expires_at;

		if (end <= place->now)
			slot = i;
		else if (place->bucket->keys[i] & 1)
			marks++;
		else if (end > long_lived)
			long_counters++;
	}
	if (place->key & 1)
		return marks < COUNTER_BUCKET_CELLS / 4 ? slot : -1;
	return lifetime > LONG_INTERVAL && long_counters >= COUNTER_BUCKET_CELLS / 2 ? -1 : slot;
}

/*
 * Change a slot.  If the backend is killed at any instruction, undo_change() restores the
 * former content.  The barriers keep the order of the writes for other backends.
 */
static void
change_cell(Place *place, int slot, int64 value, TimestampTz expires_at)
{
	CounterBucket *bucket = place->bucket;

	bucket->undo_key = bucket->keys[slot];
	bucket->undo_cell = bucket->cells[slot];
	pg_write_barrier();
	bucket->undo_slot = slot + 1;
	pg_write_barrier();
	bucket->keys[slot] = place->key;
	bucket->cells[slot].value = value;
	bucket->cells[slot].expires_at = expires_at;
	pg_write_barrier();
	bucket->undo_slot = 0;
}

/* Return true if slot is not -1 and has the counter, and the counter has not expired. */
static bool
is_live(const Place *place, int slot)
{
	return slot >= 0 && place->bucket->keys[slot] == place->key &&
		place->bucket->cells[slot].expires_at > place->now;
}

/*
 * Lock the bucket and return the slot of the counter or a free one.  If there is none,
 * unlock the bucket and return -1.
 */
static int
try_lock_slot(const char *name, bool is_mark, int64 lifetime, Place *place)
{
	int			slot;

	lock_bucket(name, is_mark, place);
	slot = slot_of(place);
	if (slot < 0)
		slot = free_slot(place, lifetime);
	if (slot < 0)
	{
		unlock_bucket(place);
		counter_statistic_add(COUNTER_NO_ROOM, 1);
	}
	return slot;
}

/* Call try_lock_slot(), and raise AA018 if there is no slot. */
static int
lock_slot(const char *name, int64 lifetime, Place *place)
{
	int			slot = try_lock_slot(name, false, lifetime, place);

	if (slot < 0)
		raise_counters_full();
	return slot;
}

/*
 * GCRA stores one time for each limit: the theoretical arrival time of the next take.
 * It is never later than now + period, unless the clock was set back.
 */
bool
counter_take(const char *name, int burst, int64 period, int64 *wait)
{
	int64		interval = period / burst;
	Place		place;
	int			slot = try_lock_slot(name, false, interval, &place);
	TimestampTz arrival;
	bool		conforms;

	if (slot < 0)
	{
		*wait = COUNTER_WAIT_UNKNOWN;
		return false;
	}
	arrival = place.now;
	if (is_live(&place, slot))
		arrival = Min(place.bucket->cells[slot].expires_at, place.now + period);
	conforms = arrival + interval <= place.now + interval * burst;
	change_cell(&place, slot, 0, conforms ? arrival + interval : arrival);
	unlock_bucket(&place);
	*wait = arrival + interval - interval * burst - place.now;
	return conforms;
}

void
counter_give_back(const char *name, int burst, int64 period)
{
	Place		place;
	int			slot;

	lock_bucket(name, false, &place);
	slot = slot_of(&place);
	if (is_live(&place, slot))
		change_cell(&place, slot, 0, place.bucket->cells[slot].expires_at - period / burst);
	unlock_bucket(&place);
}

static int64
add_one(const char *name, bool is_mark, int64 lifetime, bool prolong)
{
	Place		place;
	int			slot = try_lock_slot(name, is_mark, lifetime, &place);
	TimestampTz expires_at;
	int64		value = 1;

	if (slot < 0)
		return 0;
	expires_at = place.now + lifetime;
	if (is_live(&place, slot))
	{
		value += place.bucket->cells[slot].value;
		if (!prolong)
			expires_at = Min(expires_at, place.bucket->cells[slot].expires_at);
	}
	change_cell(&place, slot, value, expires_at);
	unlock_bucket(&place);
	return value;
}

int64
counter_increment(const char *name, int64 lifetime, bool prolong)
{
	return add_one(name, false, lifetime, prolong);
}

int64
counter_mark(const char *name, int64 lifetime)
{
	return add_one(name, true, lifetime, false);
}

void
counter_decrement(const char *name)
{
	Place		place;
	int			slot;

	lock_bucket(name, false, &place);
	slot = slot_of(&place);
	if (is_live(&place, slot) && place.bucket->cells[slot].value > 0)
		change_cell(&place, slot, place.bucket->cells[slot].value - 1,
					place.bucket->cells[slot].expires_at);
	unlock_bucket(&place);
}

void
counter_set(const char *name, int64 value, int64 lifetime)
{
	Place		place;
	int			slot = lock_slot(name, lifetime, &place);

	change_cell(&place, slot, value, place.now + lifetime);
	unlock_bucket(&place);
}

int64
counter_set_once(const char *name, int64 value, int64 lifetime)
{
	Place		place;
	int			slot = lock_slot(name, lifetime, &place);
	int64		age = 0;

	if (is_live(&place, slot) && place.bucket->cells[slot].value == value)
		age = Max(place.now + lifetime - place.bucket->cells[slot].expires_at, 0);
	else
		change_cell(&place, slot, value, place.now + lifetime);
	unlock_bucket(&place);
	return age;
}

int64
counter_get(const char *name, int64 lifetime, int64 *value)
{
	Place		place;
	int			slot;
	int64		left = 0;

	lock_bucket(name, false, &place);
	slot = slot_of(&place);
	if (is_live(&place, slot))
	{
		CounterCell cell = place.bucket->cells[slot];

		/* The clock was set back: shorten the life of the counter to its lifetime. */
		if (cell.expires_at > place.now + lifetime)
			change_cell(&place, slot, cell.value, place.now + lifetime);
		left = Min(cell.expires_at - place.now, lifetime);
		if (value != NULL)
			*value = cell.value;
	}
	unlock_bucket(&place);
	return left;
}

bool
counter_find_cell(const char *name, CounterRef *ref)
{
	Place		place;
	int			slot;

	lock_bucket(name, false, &place);
	slot = slot_of(&place);
	ref->file = place.file;
	ref->key = place.key;
	if (slot >= 0)
	{
		ref->key_at = &place.bucket->keys[slot];
		ref->cell = &place.bucket->cells[slot];
	}
	unlock_bucket(&place);
	return slot >= 0;
}

void
counter_clear(const char *name)
{
	Place		place;
	int			slot;

	lock_bucket(name, false, &place);
	slot = slot_of(&place);
	if (slot >= 0)
		change_cell(&place, slot, 0, 0);
	unlock_bucket(&place);
}

void
counters_reset(void)
{
	CounterFile *file = counter_file_get();
	uint32		i;
	int			slot;

	for (i = 0; i < file->nbuckets; i++)
	{
		LOCKTAG		tag;

		CHECK_FOR_INTERRUPTS();
		SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, i, 0, BUCKET_LOCK_SPACE);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		undo_change(&file->buckets[i]);
		for (slot = 0; slot < COUNTER_BUCKET_CELLS; slot++)
			file->buckets[i].cells[slot].expires_at = 0;
		LockRelease(&tag, ExclusiveLock, false);
	}
}

void
counter_statistic_add(CounterStatistic statistic, uint64 count)
{
	(void) pg_atomic_fetch_add_u64(&counter_file_get()->statistics[statistic], count);
}

void
counter_statistic_set(CounterStatistic statistic, uint64 value)
{
	pg_atomic_write_u64(&counter_file_get()->statistics[statistic], value);
}

uint64
counter_statistic(CounterStatistic statistic)
{
	return pg_atomic_read_u64(&counter_file_get()->statistics[statistic]);
}

void
counters_usage(int64 *live, int64 *size)
{
	CounterFile *file = counter_file_get();
	TimestampTz now = GetCurrentTimestamp();
	uint32		i;
	int			slot;

	*size = (int64) file->nbuckets * COUNTER_BUCKET_CELLS;
	*live = 0;
	for (i = 0; i < file->nbuckets; i++)
		for (slot = 0; slot < COUNTER_BUCKET_CELLS; slot++)
			if (file->buckets[i].cells[slot].expires_at > now)
				(*live)++;
}
