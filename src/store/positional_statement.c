/*-------------------------------------------------------------------------
 *
 * positional_statement.c
 *	  Statements with positions instead of names; see positional_statement.h.
 *
 * Plans are prepared at first use and kept.  They are stored in the static
 * only once SPI_keepplan has succeeded, so that an error in between leaves a
 * statement that is prepared anew, not a dangling pointer.
 *
 * A plan that is made for certain parameters has them in it as constants, and
 * auto_explain logs it, secrets and hashes too.  And to plan a statement takes
 * longer than to find a row by its key, which can be done in one way.  So
 * statements are planned once, without regard to their parameters; but not
 * those that ask for how many rows up to when.  Citus needs the parameters to
 * find the node, and is left to choose.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "store/placement.h"
#include "store/owner_scope.h"
#include "store/positional_statement.h"
#include "store/session_settings.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * Names and operators in our statements mean what they say under this path
 * only, and they run with the owner's rights.  Every function of ours sets it;
 * whatever of somebody else's runs in between must not leave another one.
 */
static void
require_safe_search_path(void)
{
	if (strcmp(namespace_search_path, SAFE_SEARCH_PATH) != 0)
		elog(ERROR, "a statement of anon_auth must not run with search_path %s",
			 namespace_search_path);
}

/* Whether a statement does more than read, by its parse tree. */
static bool
plan_writes(SPIPlanPtr plan)
{
	ListCell   *source;
	ListCell   *query;

	foreach(source, SPI_plan_get_plan_sources(plan))
		foreach(query, ((CachedPlanSource *) lfirst(source))->query_list)
		{
			Query	   *tree = lfirst_node(Query, query);

			if (tree->commandType != CMD_SELECT || tree->hasModifyingCTE)
				return true;
		}
	return false;
}

/* The kept plan, which is made at first use. */
static SPIPlanPtr
plan_of(StoreStatement *statement)
{
	const Placement *placement = placement_current();
	SPIPlanPtr	plan = statement->plans[placement->plan_slot];

	if (plan != NULL)
		return plan;
	plan = SPI_prepare_cursor(statement->sql, statement->nparams, statement->types,
							  statement->custom_plans ? 0 : placement->cursor_options);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement of anon_auth: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a plan of anon_auth");
	statement->writes = plan_writes(plan);
	statement->plans[placement->plan_slot] = plan;
	return plan;
}

static void
copy_row(StoreRow *row, HeapTuple tuple, TupleDesc desc)
{
	int			i;

	Assert(desc->natts <= STORE_MAX_COLUMNS);
	row->ncolumns = desc->natts;
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Datum		value = SPI_getbinval(tuple, desc, i + 1, &row->nulls[i]);

		row->values[i] = (Datum) 0;
		if (!row->nulls[i])
		{
			if (attr->attlen == -1)
				value = PointerGetDatum(PG_DETOAST_DATUM(value));
			row->values[i] = SPI_datumTransfer(value, attr->attbyval, attr->attlen);
		}
	}
}

static uint64
execute(StoreStatement *statement, const Datum *params, const bool *nulls)
{
	char		spi_nulls[STORE_MAX_PARAMS];
	int			nest_level = session_settings_enter();
	SPIPlanPtr	plan;
	int			i;
	int			code;

	require_safe_search_path();
	plan = plan_of(statement);
	if (statement->writes)
		placement_current()->require_safe_write();

	for (i = 0; i < statement->nparams; i++)
		spi_nulls[i] = (nulls != NULL && nulls[i]) ? 'n' : ' ';

	/*
	 * A fresh snapshot, unless the statement is content with the caller's, or
	 * a parallel worker must be: what an earlier call of the same SQL
	 * statement has written shall be seen.
	 */
	code = SPI_execute_plan(plan, (Datum *) params, spi_nulls,
							statement->read_only || IsInParallelMode(), 0);
	session_settings_leave(nest_level);
	if (code < 0)
		elog(ERROR, "could not run a statement of anon_auth: %s",
			 SPI_result_code_string(code));
	return SPI_processed;
}

uint64
store_run(StoreStatement *statement, const Datum *params, const bool *nulls,
		  StoreRow *row)
{
	uint64		processed;

	SPI_connect();
	processed = execute(statement, params, nulls);
	if (row != NULL && processed > 0)
		copy_row(row, SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
	SPI_finish();
	return processed;
}

StoreRow *
store_run_rows(StoreStatement *statement, const Datum *params, const bool *nulls,
			   int *nrows)
{
	StoreRow   *rows = NULL;
	uint64		processed;
	uint64		i;

	SPI_connect();
	processed = execute(statement, params, nulls);
	if (processed > 0)
	{
		rows = SPI_palloc(sizeof(StoreRow) * processed);
		for (i = 0; i < processed; i++)
			copy_row(&rows[i], SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	}
	SPI_finish();
	*nrows = (int) processed;
	return rows;
}

ArrayType *
store_run_for_ids(StoreStatement *statement, const Datum *params)
{
	int			nrows;
	StoreRow   *rows = store_run_rows(statement, params, NULL, &nrows);
	Datum	   *ids = palloc(sizeof(Datum) * Max(nrows, 1));
	int			i;

	for (i = 0; i < nrows; i++)
		ids[i] = rows[i].values[0];
	return construct_array(ids, nrows, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

uint64
store_run_latest(StoreStatement *statement, const Datum *params, StoreRow *row)
{
	Snapshot	snapshot;
	uint64		processed;
	int			nest_level = session_settings_enter();
	int			code;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SPI_connect();
	require_safe_search_path();
	code = SPI_execute_snapshot(plan_of(statement), (Datum *) params, NULL, snapshot,
								InvalidSnapshot, true, false, 1);
	session_settings_leave(nest_level);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not run a statement of anon_auth: %s", SPI_result_code_string(code));
	processed = SPI_processed;
	if (row != NULL && processed > 0)
		copy_row(row, SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
	SPI_finish();
	UnregisterSnapshot(snapshot);
	return processed;
}

int
store_execute_once(const char *sql, int nparams, Oid *types, Datum *params, const char *nulls,
				   bool read_only)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nparams, types,
										  placement_current()->cursor_options);
	int			code;

	if (plan == NULL)
		return SPI_result;
	code = SPI_execute_plan(plan, params, nulls, read_only, 0);
	SPI_freeplan(plan);
	return code;
}

char *
store_text(const StoreRow *row, int column)
{
	Assert(column < row->ncolumns);
	if (row->nulls[column])
		return NULL;
	return text_to_cstring((text *) DatumGetPointer(row->values[column]));
}

pg_uuid_t
store_uuid(const StoreRow *row, int column)
{
	Assert(column < row->ncolumns && !row->nulls[column]);
	return *DatumGetUUIDP(row->values[column]);
}

Datum
text_param(const char *string)
{
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

Datum
bytea_param(const void *data, size_t length)
{
	bytea	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), data, length);
	return PointerGetDatum(result);
}

pg_uuid_t
store_route(const void *data, size_t length)
{
	uint8_t		digest[crypto_hash_sha256_BYTES];
	pg_uuid_t	route;

	crypto_hash_sha256(digest, data, length);
	memcpy(route.data, digest, UUID_LEN);
	return route;
}
