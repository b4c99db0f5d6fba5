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
#include "store/table_scan.h"

/* The row that a scan finds with one key.  Static, all zero at first. */
typedef struct CachedRow
{
	CacheStamp	stamp;
	MemoryContext context;
	uint64		reading;		/* no other row, and no other reading of this row, has the number */
	TupleDesc	desc;			/* NULL: the scan found no row */
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
 * Fill row, the struct of a view, with the row of the scan; key as for table_scan().  Reads
 * the table only if it may have changed since this row was read.  False if there is no row.
 * What row points to is a copy in the caller's memory context.
 */
extern bool cached_row_fetch(CachedRow *cached, const TableScan *scan, const char *key,
							 RowView *view, void *row);

/* Whether the row was read, and the table is unchanged since. */
extern bool cached_row_holds(CachedRow *cached, const TableScan *scan);

#endif							/* ANON_AUTH_CACHED_ROW_H */
