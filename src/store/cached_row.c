/*-------------------------------------------------------------------------
 *
 * cached_row.c
 *	  A row of a table that hardly ever changes, kept in this backend.
 *
 * The row is kept as PostgreSQL returned it, and decoded for each caller: a struct that
 * callers shared would change under one of them when another one reads the row again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/cached_row.h"
#include "utils/memutils.h"

static void
read_row(CachedRow *cached, CachedTable table, Statement *statement, const NamedParam *params)
{
	MemoryContext caller;
	CacheStamp	stamp = cache_stamp_take(table);

	if (cached->context == NULL)
		cached->context = AllocSetContextCreate(TopMemoryContext, "anon_auth row",
												ALLOCSET_SMALL_SIZES);
	memset(&cached->stamp, 0, sizeof(CacheStamp));
	MemoryContextReset(cached->context);
	caller = MemoryContextSwitchTo(cached->context);
	cached->row = statement_fetch_row(statement, params, &stamp);
	MemoryContextSwitchTo(caller);
	cached->stamp = stamp;
}

bool
cached_row_fetch(CachedRow *cached, CachedTable table, Statement *statement,
				 const NamedParam *params, void *row)
{
	if (!cache_stamp_holds(&cached->stamp, table))
		read_row(cached, table, statement, params);
	if (cached->row.tuple == NULL)
		return false;
	statement_decode(statement, &cached->row, row);
	return true;
}
