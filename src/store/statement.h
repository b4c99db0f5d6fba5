/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  SQL statements of the extension: prepared once a backend, run by SPI.
 *
 * Every statement is a static Statement in the file of its table.  Its text has
 * names instead of positions:
 *
 *		:user_id		a parameter, given by param_uuid("user_id", ...), or a
 *						column of a record given by param_record()
 *		{session}		the columns of the record session
 *		{s.session}		the same, each with the alias of its table: s.user_id, ...
 *		{:session}		the columns as parameters: :user_id, ...
 *
 * The first run translates the text.  A name that is wrong or missing is then an
 * internal error.  Returned columns are found by name at the same time.
 *
 * Callers must run as the extension's owner with a pinned search_path: the SQL
 * functions do (SECURITY DEFINER, SET search_path), others use owner_scope.h.
 *
 * Times and random values are parameters, never computed by SQL.  Every statement
 * names the routing key of the rows it touches (see route.h), so that the same
 * statements run where the tables are distributed.  Exception: USER_DELETION_FORGET_KEYS,
 * which runs when an account is deleted (see citus_users.c).
 *
 * Lock order, to be kept by callers: device key of a guest, user, one-time code, sessions,
 * authorization codes, login IDs, identities, device keys of an account,
 * passkeys.  An account comes before everything of a guest that
 * is merged into it.  Of two accounts, the one with the lower id comes first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STATEMENT_H
#define ANON_AUTH_STATEMENT_H

#include "postgres.h"

#include "store/cached_table.h"
#include "store/key_read.h"
#include "store/param.h"
#include "store/record.h"

struct PreparedStatement;

typedef struct Statement
{
	const char *sql;
	const RecordType *row;		/* how a returned row is decoded; may be NULL */
	const RecordType *joined;	/* a second record in the same row; may be NULL */
	bool		read_only;		/* may use the caller's snapshot */
	bool		custom_plans;	/* the best plan depends on the parameters */
	const char *key_table;		/* for the functions that read rows: see below */
	KeyLock		key_lock;		/* the row lock of a statement with key_table */
	KeyMap	   *key_map;		/* NULL before the first read */
	const char *user_table;		/* for statement_run(): see below */
	struct PreparedStatement *prepared;	/* NULL before the first run */
} Statement;

/*
 * A SELECT of a record's columns from one table, with the condition that the first columns of
 * its primary key equal all parameters in their order, can name that table.  It is then
 * read by its key (key_read.h) where this database has all rows.  statement_fetch_latest() and
 * statement_fetch_joined() do not read so.
 *
 * A statement that only changes rows of the users in the first parameter, and mostly finds
 * none, can name their table as user_table.  If there is one user, without such rows, it
 * does not run.
 */

/* Run a statement.  Return the number of rows selected or affected. */
extern uint64 statement_run(Statement *statement, const NamedParam *params);

/*
 * Run a statement and decode the first row.  False if there is none: row is then
 * unchanged.  Its pointers refer to copies in the caller's memory context.
 */
extern bool statement_fetch(Statement *statement, const NamedParam *params, void *row);

/* Same for a statement that returns two records in one row. */
extern bool statement_fetch_joined(Statement *statement, const NamedParam *params, void *row,
								   void *joined);

/* Run a statement and decode all rows.  Return a palloc'd array of structs. */
extern void *statement_fetch_all(Statement *statement, const NamedParam *params, int *count);

/*
 * Run a statement that returns a column "id" of type uuid, and return the ids as
 * uuid[].  (Not by array_agg(): where a node runs it for Citus, a function of that
 * name and for this very type is preferred.)
 */
extern ArrayType *statement_fetch_ids(Statement *statement, const NamedParam *params);

/*
 * Run a SELECT with a snapshot of this moment instead of the transaction's.  False if
 * it finds no row.  With row NULL nothing is decoded.
 */
extern bool statement_fetch_latest(Statement *statement, const NamedParam *params, void *row);

/*
 * Run a SELECT * and call visit for each row, in the caller's memory context.  For a stamp
 * that outlives the statement (cached_table.h), the snapshot is one of this moment.  It shows
 * earlier commands of the transaction, and not the one that is running.  stamp may be NULL.
 */
extern void statement_visit_stamped(Statement *statement, const NamedParam *params,
									const CacheStamp *stamp, RowVisitor visit, void *arg);

/* The record of one id, {id_record}, for statement_fetch_ids(). */
#define ID_COLUMNS(COLUMN) \
	COLUMN(UUID, id)

typedef struct IdRow
{
	ID_COLUMNS(RECORD_FIELD)
} IdRow;

#endif							/* ANON_AUTH_STATEMENT_H */
