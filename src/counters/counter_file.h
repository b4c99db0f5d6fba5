/*-------------------------------------------------------------------------
 *
 * counter_file.h
 *	  The file that all backends of a database map to share counters.
 *
 * Only for the files of src/counters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COUNTER_FILE_H
#define ANON_AUTH_COUNTER_FILE_H

#include "postgres.h"

#include "counters/counters.h"
#include "port/atomics.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define COUNTER_BUCKET_CELLS	256
#define COUNTER_HASH_KEY_LENGTH	16

/* The content of a counter, without its key.  It is live until expires_at. */
typedef struct CounterCell
{
	int64		value;
	TimestampTz expires_at;
} CounterCell;

/*
 * A bucket, protected by its lock (counters.c).  The keys are in one array, because
 * a search reads all of them.
 *
 * While a slot is changed, undo_slot is one more than its index.  If the backend is
 * killed then, the next backend that locks the bucket restores the former content
 * from undo_key and undo_cell.
 */
typedef struct CounterBucket
{
	uint64		undo_slot;		/* 0: nothing to undo */
	uint64		undo_key;
	CounterCell undo_cell;
	uint64		keys[COUNTER_BUCKET_CELLS]; /* 0: never used */
	CounterCell cells[COUNTER_BUCKET_CELLS];
} CounterBucket;

#define REVOCATION_BUCKET_SLOTS	64

/* A slot of a revocation: see revocations.c. */
typedef struct CounterRevocation
{
	uint8		user_id[UUID_LEN];
	uint8		session_id[UUID_LEN];
	TimestampTz until;
	TimestampTz expires_at;
	pg_atomic_uint64 generation;	/* 0: free */
} CounterRevocation;

typedef struct CounterFile
{
	char		magic[16];
	uint32		layout;
	uint32		nbuckets;
	uint8		hash_key[COUNTER_HASH_KEY_LENGTH];	/* random */
	pg_atomic_uint64 revoked_until; /* when the last revocation expires */
	pg_atomic_uint64 next_generation;	/* of revocations */
	pg_atomic_uint64 statistics[COUNTER_STATISTICS];
	CounterBucket buckets[FLEXIBLE_ARRAY_MEMBER];
	/* then the revocations: counter_file_revocations() */
} CounterFile;

static inline CounterRevocation *
counter_file_revocations(CounterFile *file)
{
	return (CounterRevocation *) &file->buckets[file->nbuckets];
}

/* One revocation for every 64 counters. */
static inline uint32
counter_revocation_buckets(uint32 nbuckets)
{
	return Max(nbuckets * COUNTER_BUCKET_CELLS / 64 / REVOCATION_BUCKET_SLOTS, 1);
}

/*
 * Return the mapped file of this database, and make it if need be.  Raises the error
 * of the system call if that fails (58P01, 53100, ...).  Valid until the end of the
 * transaction.
 */
extern CounterFile *counter_file_get(void);

/*
 * Return the file if it is mapped, else NULL.  Checks nothing and raises nothing: for
 * the end of a transaction.
 */
extern CounterFile *counter_file_peek(void);

/* Where a counter is, for a change at the end of the transaction without a lock. */
typedef struct CounterRef
{
	CounterFile *file;
	uint64		key;
	uint64	   *key_at;
	CounterCell *cell;
} CounterRef;

/* Find the cell of a counter.  Returns false if there is none; ref has its key then. */
extern bool counter_find_cell(const char *name, CounterRef *ref);

#endif							/* ANON_AUTH_COUNTER_FILE_H */
