/*-------------------------------------------------------------------------
 *
 * key_read.h
 *	  Reading rows by their primary key, without the planner and the executor.
 *
 * To find a row by its primary key there is one way only, and to start the executor for
 * it takes several times as long as to read the row.  statement.c uses this for a
 * Statement with a key_table, if this database has all rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEY_READ_H
#define ANON_AUTH_KEY_READ_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "store/param.h"
#include "store/record.h"
#include "utils/snapshot.h"

/*
 * Called for a row, with its values in the order of desc.  They are gone after the call.
 * Returns whether to go on.
 */
typedef bool (*RowVisitor) (TupleDesc desc, const Datum *values, const bool *nulls, void *arg);

/* The row locks of FOR KEY SHARE, FOR NO KEY UPDATE, and FOR NO KEY UPDATE SKIP LOCKED. */
typedef enum KeyLock
{
	KEY_LOCK_NONE,
	KEY_LOCK_KEY_SHARE,
	KEY_LOCK_NO_KEY_UPDATE,
	KEY_LOCK_SKIP_LOCKED
} KeyLock;

/* Where the columns of a record are in a table.  Kept by the caller; NULL at first. */
typedef struct KeyMap KeyMap;

typedef struct KeyRows
{
	char	   *rows;			/* structs of the record */
	int			count;
	int			room;			/* how many fit */
	bool		grows;			/* palloc'd; else rows beyond the room are not read */
} KeyRows;

/*
 * Append the rows of a table of the extension whose primary key begins with the columns and
 * values of params, in the order of the key.  The snapshot is that of a new statement.
 * Values are copied to the current memory context.
 *
 * Rows are locked as SELECT does it.  At READ COMMITTED the latest version of a row is
 * returned, or none if the row is gone; FOR KEY SHARE does not wait for an update of other
 * columns, and returns the version before it.  Above it, a row that has changed since the
 * snapshot was taken raises 40001.
 *
 * Return false, and read nothing, if only a statement can do that: the current role is not
 * the owner of the table, the owner is subject to row-level security, another table inherits
 * from it, there is no usable primary key with these columns, or rows are to be locked in a
 * transaction that is read-only.
 */
extern bool key_read(const char *table, KeyLock lock, const RecordType *type, KeyMap **map,
					 const NamedParam *params, KeyRows *found);

/*
 * Call visit for the same rows, or for all rows if params is NULL, with another snapshot; NULL
 * is that of a new statement.  Return false as key_read().
 */
extern bool key_read_visit(const char *table, const NamedParam *params, Snapshot snapshot,
						   RowVisitor visit, void *arg);

/*
 * Return false if no row of a table of the extension has this user_id, by an index that begins
 * with the column.  True if there is one, or if only a statement can tell.
 */
extern bool key_read_may_find_user(const char *table, const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_KEY_READ_H */
