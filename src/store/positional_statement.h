/*-------------------------------------------------------------------------
 *
 * positional_statement.h
 *	  Statements with positions instead of names.
 *
 * To be replaced by statement.h in every file, and then deleted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_POSITIONAL_STATEMENT_H
#define ANON_AUTH_POSITIONAL_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "store/placement.h"
#include "utils/jsonb.h"
#include "utils/array.h"
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

/* Columns and parameters. */
extern char *store_text(const StoreRow *row, int column);	/* NULL if null */
extern pg_uuid_t store_uuid(const StoreRow *row, int column);
extern Datum text_param(const char *string);
extern Datum bytea_param(const void *data, size_t length);

/* First 16 bytes of the SHA-256 of a string, as a routing key. */
extern pg_uuid_t store_route(const void *data, size_t length);

#endif							/* ANON_AUTH_POSITIONAL_STATEMENT_H */
