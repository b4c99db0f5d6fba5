/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  SQL statements of the extension: prepared once a backend, run by SPI.
 *
 * Every statement is a static StoreStatement in a file of src/store.  Callers
 * must run as the extension's owner with a pinned search_path: the SQL
 * functions do (SECURITY DEFINER, SET search_path), others use
 * store_enter_owner().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STATEMENT_H
#define ANON_AUTH_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "store/placement.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define STORE_MAX_COLUMNS	40
#define STORE_MAX_PARAMS	16

typedef struct StoreStatement
{
	const char *sql;
	bool		read_only;		/* content with the caller's snapshot */
	bool		custom_plans;	/* the best plan depends on the parameters */
	int			nparams;
	Oid			types[STORE_MAX_PARAMS];
	SPIPlanPtr	plans[PLACEMENT_SLOTS]; /* kept; see Placement.plan_slot */
	bool		writes;			/* known once there is a plan */
} StoreStatement;

/* One row, copied to the caller's memory context. */
typedef struct StoreRow
{
	int			ncolumns;
	Datum		values[STORE_MAX_COLUMNS];
	bool		nulls[STORE_MAX_COLUMNS];
} StoreRow;

/*
 * Runs a statement.  nulls may be NULL (no parameter is null) or an array of
 * booleans.  Returns the number of rows selected or affected.  With row set,
 * the first returned row is copied to it.
 */
extern uint64 store_run(StoreStatement *statement, const Datum *params,
						const bool *nulls, StoreRow *row);

/* Same, for statements that return several rows: all of them, palloc'd. */
extern StoreRow *store_run_rows(StoreStatement *statement, const Datum *params,
								const bool *nulls, int *nrows);

/*
 * The ids that a statement returns, one a row.  (Not by array_agg(): where a node
 * runs it for Citus, a function of that name and for this very type is preferred.)
 */
extern ArrayType *store_run_for_ids(StoreStatement *statement, const Datum *params);

/*
 * A SELECT without NULL parameters that sees what is committed by now, whatever
 * the transaction's snapshot.  Returns 1 if it finds a row, which is copied to
 * row unless that is NULL, or 0.
 */
extern uint64 store_run_latest(StoreStatement *statement, const Datum *params, StoreRow *row);

/*
 * Within SPI_connect(): run the text of a statement that is not kept, without
 * the parameters in its plan.  Returns SPI's code.
 */
extern int	store_execute_once(const char *sql, int nparams, Oid *types, Datum *params,
							   const char *nulls, bool read_only);

/*
 * For functions that are not SECURITY DEFINER because they must be cheap:
 * become the extension's owner with a safe search_path, and go back.  An
 * error in between needs no clean-up: transaction abort restores both.
 */
typedef struct StoreOwnerScope
{
	Oid			user_id;
	int			sec_context;
	int			guc_nest_level;
} StoreOwnerScope;

extern void store_enter_owner(StoreOwnerScope *scope);
extern void store_leave_owner(StoreOwnerScope *scope);

/*
 * Which top-level statement something was read in, for what is read once a
 * statement.  A subtransaction that aborts ends it too: what was read may have
 * been what it had written.  So does a second: a statement, such as DO, may run
 * for as long as its caller likes.
 */
typedef struct StatementStamp
{
	bool		valid;
	bool		changed;		/* read it again although the statement is the same */
	LocalTransactionId transaction;
	TimestampTz statement;
	TimestampTz read_at;
	uint64		aborts;
} StatementStamp;

/* Called once when the library is loaded. */
extern void statement_stamps_init(void);

extern void statement_stamp_set(StatementStamp *stamp);

extern bool statement_stamp_holds(const StatementStamp *stamp);

/* Whether it was set in this statement, however long ago. */
extern bool statement_stamp_is_of_statement(const StatementStamp *stamp);

/* Columns and parameters. */
extern char *store_text(const StoreRow *row, int column);	/* NULL if null */
extern pg_uuid_t store_uuid(const StoreRow *row, int column);
extern Datum text_param(const char *string);
extern Datum bytea_param(const void *data, size_t length);

/* First 16 bytes of the SHA-256 of a string, as a routing key. */
extern pg_uuid_t store_route(const void *data, size_t length);

#endif							/* ANON_AUTH_STATEMENT_H */
