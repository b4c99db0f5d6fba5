/*-------------------------------------------------------------------------
 *
 * table_scan.h
 *	  Reading rows of a small table by its key, or all of them, without a plan.
 *
 * For the tables of cached_table.h, which a new connection reads first.  There is one way
 * only to find their rows, and planning a statement for it takes longer than finding them.
 * Rows are read with the rights of the extension, whoever the caller is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_TABLE_SCAN_H
#define ANON_AUTH_TABLE_SCAN_H

#include "postgres.h"

#include "store/cached_table.h"
#include "store/statement.h"

typedef struct TableScan
{
	CachedTable table;
	const char *key;			/* column of the primary key, of type text; NULL: all rows */

	/*
	 * SELECT * for the same rows, with a parameter that has the name of the key.  It runs
	 * where other nodes may have the rows.  Its read_only decides about the snapshot of
	 * both ways.
	 */
	Statement  *statement;
} TableScan;

/*
 * Call visit for each row.  value is that of the key, or NULL for all rows.  The snapshot is
 * that of statement_visit_stamped().
 */
extern void table_scan(const TableScan *scan, const char *value, const CacheStamp *stamp,
					   RowVisitor visit, void *arg);

#endif							/* ANON_AUTH_TABLE_SCAN_H */
