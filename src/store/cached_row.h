/*-------------------------------------------------------------------------
 *
 * cached_row.h
 *	  A row of a table that hardly ever changes, kept in this backend.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CACHED_ROW_H
#define ANON_AUTH_CACHED_ROW_H

#include "postgres.h"

#include "store/cached_table.h"
#include "store/statement.h"

/* Static, all zero at first.  The result of one statement with the same parameters. */
typedef struct CachedRow
{
	CacheStamp	stamp;
	MemoryContext context;
	StatementRow row;
} CachedRow;

/*
 * Same as statement_fetch(), but run the statement only if the table may have changed
 * since this row was read.  What row points to is a copy in the caller's memory context.
 */
extern bool cached_row_fetch(CachedRow *cached, CachedTable table, Statement *statement,
							 const NamedParam *params, void *row);

#endif							/* ANON_AUTH_CACHED_ROW_H */
