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

#define COUNTER_BUCKET_CELLS	256
#define COUNTER_HASH_KEY_LENGTH	16

/* What a cell says beside its key.  It is live until expires_at. */
typedef struct CounterCell
{
	int64		value;
	TimestampTz expires_at;
} CounterCell;

/*
 * A bucket.  Keys stand together, because looking for one reads them all.
 *
 * A backend that is killed in the middle of a change leaves undo_slot set: one
 * more than the slot being changed.  The next backend that locks the bucket puts
 * the former content back.
 */
typedef struct CounterBucket
{
	uint64		undo_slot;		/* 0: nothing to undo */
	uint64		undo_key;
	CounterCell undo_cell;
	uint64		keys[COUNTER_BUCKET_CELLS]; /* 0: never used */
	CounterCell cells[COUNTER_BUCKET_CELLS];
} CounterBucket;

typedef struct CounterFile
{
	char		magic[16];
	uint32		layout;
	uint32		nbuckets;
	uint8		hash_key[COUNTER_HASH_KEY_LENGTH];	/* random */
	pg_atomic_uint64 flagged_until; /* see counter_flag() */
	pg_atomic_uint64 statistics[COUNTER_STATISTICS];
	CounterBucket buckets[FLEXIBLE_ARRAY_MEMBER];
} CounterFile;

/*
 * Return the file of this database, mapped, and make it where there is none.
 * Raises the error of the system call (58P01, 53100, ...) where that fails.
 * Valid until the end of the transaction.
 */
extern CounterFile *counter_file_get(void);

/* The file if it is mapped, else NULL, without a check: for the end of a transaction. */
extern CounterFile *counter_file_peek(void);

/* Where a counter is, for a change at the end of the transaction. */
typedef struct CounterRef
{
	CounterFile *file;
	uint64		key;
	uint64	   *key_at;
	CounterCell *cell;
} CounterRef;

/* False where there is no such counter. */
extern bool counter_find_cell(const char *name, CounterRef *ref);

#endif							/* ANON_AUTH_COUNTER_FILE_H */
