/*-------------------------------------------------------------------------
 *
 * cached_table.h
 *	  Telling whether cached rows of a table are still those of the table.
 *
 * For the tables that nearly every call reads and that hardly ever change.  A trigger of
 * such a table calls cached_table_changed() for each row that is written.  This queues a
 * relcache invalidation, which PostgreSQL delivers as it does that of a DDL command: to
 * this backend at the end of the command and at a rollback, to the other backends when the
 * transaction commits (also by COMMIT PREPARED), to standby servers through WAL.
 *
 * Invalidations do not reach the other nodes of a cluster, and a parallel worker must use
 * its leader's snapshot.  There, rows are kept for one statement only: see
 * statement_stamp.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CACHED_TABLE_H
#define ANON_AUTH_CACHED_TABLE_H

#include "postgres.h"

#include "store/statement_stamp.h"
#include "utils/relcache.h"

typedef enum CachedTable
{
	CACHED_SETTINGS,
	CACHED_CLIENTS,
	CACHED_SIGNING_KEYS
} CachedTable;

#define CACHED_TABLES	(CACHED_SIGNING_KEYS + 1)

/* When cached rows were read.  All zero: not yet. */
typedef struct CacheStamp
{
	uint64		version;
	bool		outlives_statement;
	StatementStamp statement;
} CacheStamp;

/* Called once when the library is loaded. */
extern void cached_tables_init(void);

/*
 * Return the stamp of rows that the caller reads now, with statement_visit_stamped(), and keeps
 * with the stamp only once it has read them.
 */
extern CacheStamp cache_stamp_take(CachedTable table);

/*
 * Whether the table is unchanged since the stamp was taken.  A change that another backend
 * commits is noticed by the next statement, and within a statement after a second.
 */
extern bool cache_stamp_holds(CacheStamp *stamp, CachedTable table);

/* When the stamp was taken, or last found to hold after that in another statement or second. */
extern TimestampTz cache_stamp_checked_at(const CacheStamp *stamp);

/* Whether the stamp was taken, or held, in this statement, however long ago. */
extern bool cache_stamp_is_of_statement(const CacheStamp *stamp);

/* Make this backend read the rows again, although no trigger may have seen a change. */
extern void cached_table_forget(CachedTable table);

/*
 * Called by the trigger of a cached table after a row was written, or after TRUNCATE: all
 * backends read the rows again.
 */
extern void cached_table_changed(Relation relation);

#endif							/* ANON_AUTH_CACHED_TABLE_H */
