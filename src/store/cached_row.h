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

#include "store/record_codec.h"
#include "store/statement.h"

/* The row that a SELECT * finds with the same parameters.  Static, all zero at first. */
typedef struct CachedRow
{
	CacheStamp	stamp;
	MemoryContext context;
	uint64		reading;		/* no other row, and no other reading of this row, has the number */
	TupleDesc	desc;			/* NULL: there is no row */
	Datum	   *values;
	bool	   *nulls;
} CachedRow;

/* A record in cached rows, and where it was in the row that was decoded last.  Static. */
typedef struct RowView
{
	const RecordType *type;
	uint64		reading;
	RecordMap	map;
} RowView;

/*
 * Fill row, the struct of a view, with the row that the statement finds.  Runs the statement
 * only if the table may have changed since this row was read.  False if there is no row.
 * What row points to is a copy in the caller's memory context.
 */
extern bool cached_row_fetch(CachedRow *cached, CachedTable table, Statement *statement,
							 const NamedParam *params, RowView *view, void *row);

#endif							/* ANON_AUTH_CACHED_ROW_H */
