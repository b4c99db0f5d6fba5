/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Preparing and running the extension's SQL statements.
 *
 * Plans are prepared at first use and kept.  They are stored in the static
 * only once SPI_keepplan has succeeded, so that an error in between leaves a
 * statement that is prepared again, not a dangling pointer.
 *
 * A custom plan has the parameters in it as constants, and auto_explain logs it,
 * secrets and hashes too.  Besides, planning a statement takes longer than finding
 * a row by its key, for which there is one way only.  So statements get generic
 * plans.  Exceptions are those that select by a range with a limit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "store/owner_scope.h"
#include "store/placement.h"
#include "store/record_codec.h"
#include "store/session_settings.h"
#include "store/statement.h"
#include "store/statement_text.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_PARAMS		16		/* that a caller gives */
#define MAX_VALUES		48		/* with the columns of records */

/* The result of a statement's first run.  It lives as long as the backend. */
typedef struct PreparedStatement
{
	char	   *text;			/* with $n for names */
	int			nparams;
	NamedParam	params[MAX_PARAMS]; /* names and types, no values */
	int			nvalues;
	Oid			types[MAX_VALUES];
	SPIPlanPtr	plans[PLACEMENT_SLOTS]; /* kept; see Placement.plan_slot */
	bool		writes;			/* known once there is a plan, as the next two */
	RecordMap	row;
	RecordMap	joined;
} PreparedStatement;

RECORD_TYPE(id, IdRow, ID_COLUMNS);

/*
 * Our statements run with the owner's rights.  Under another path, a name or an operator
 * in them could refer to another role's object.  Every function of ours sets the path.
 * Code of others that runs in between, such as a hook, must not leave another one.
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

/* Keep the types of the values, the columns of a record each for itself. */
static void
keep_types(PreparedStatement *prepared, const NamedParam *param)
{
	const RecordColumn *columns = NULL;
	int			count = 1;
	int			i;

	if (param->record != NULL)
		columns = param->record->columns(&count);
	if (prepared->nvalues + count > MAX_VALUES)
		elog(ERROR, "a statement of anon_auth has too many parameters");
	for (i = 0; i < count; i++)
		prepared->types[prepared->nvalues++] =
			columns != NULL ? record_column_type(&columns[i]) : param->type;
}

/* Translate a statement at its first run.  The result has no plan yet. */
static PreparedStatement *
translate_statement(const Statement *statement, const NamedParam *params)
{
	PreparedStatement prepared = {0};
	PreparedStatement *kept;
	char	   *text;

	for (; params != NULL && params[prepared.nparams].name != NULL; prepared.nparams++)
	{
		if (prepared.nparams == MAX_PARAMS)
			elog(ERROR, "a statement of anon_auth has too many parameters");
		prepared.params[prepared.nparams] = params[prepared.nparams];
		prepared.params[prepared.nparams].value = (Datum) 0;
		keep_types(&prepared, &params[prepared.nparams]);
	}
	text = statement_text_translate(statement->sql, statement->row, statement->joined, params);
	prepared.text = MemoryContextStrdup(TopMemoryContext, text);
	kept = MemoryContextAlloc(TopMemoryContext, sizeof(PreparedStatement));
	*kept = prepared;
	return kept;
}

/*
 * Find where the columns of the records are in a returned row.  The positions hold for
 * later plans, too: the text lists the columns, so a change of a table cannot move them.
 */
static void
map_result(const Statement *statement, PreparedStatement *prepared, SPIPlanPtr plan)
{
	CachedPlanSource *source = llast(SPI_plan_get_plan_sources(plan));
	bool	   *used;

	if (statement->row == NULL)
		return;
	if (source->resultDesc == NULL)
		elog(ERROR, "a statement of anon_auth returns no rows: %s", statement->sql);
	used = palloc0(sizeof(bool) * source->resultDesc->natts);
	record_map_columns(statement->row, source->resultDesc, used, &prepared->row);
	if (statement->joined != NULL)
		record_map_columns(statement->joined, source->resultDesc, used, &prepared->joined);
}

/*
 * Return the kept plan, which is made at first use.  There is one for each placement of
 * rows, because a plan for rows in this database does not find them on other nodes.
 */
static SPIPlanPtr
plan_of(const Statement *statement)
{
	PreparedStatement *prepared = statement->prepared;
	const Placement *placement = placement_current();
	SPIPlanPtr	plan = prepared->plans[placement->plan_slot];

	if (plan != NULL)
		return plan;
	plan = SPI_prepare_cursor(prepared->text, prepared->nvalues, prepared->types,
							  statement->custom_plans ? 0 : placement->cursor_options);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement of anon_auth: %s",
			 SPI_result_code_string(SPI_result));
	map_result(statement, prepared, plan);
	prepared->writes = plan_writes(plan);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a plan of anon_auth");
	prepared->plans[placement->plan_slot] = plan;
	return plan;
}

/*
 * Two places may run a statement, if they give the same parameters in the same
 * order: positions are those of the first run.
 */
static void
require_same_param(const Statement *statement, const NamedParam *param, const NamedParam *first)
{
	if (first->name == NULL || param->type != first->type || param->record != first->record ||
		(param->name != first->name && strcmp(param->name, first->name) != 0))
		elog(ERROR, "parameter \"%s\" was not given here before: %s", param->name, statement->sql);
}

/* Fill the values and SPI's nulls ('n' or ' ') from a list of parameters. */
static void
encode_params(const Statement *statement, const NamedParam *params, Datum *values, char *nulls)
{
	const PreparedStatement *prepared = statement->prepared;
	int			n = 0;
	int			i;

	for (i = 0; params != NULL && params[i].name != NULL; i++)
	{
		const NamedParam *param = &params[i];
		const RecordColumn *columns;
		int			count;
		int			c;

		if (i == prepared->nparams)
			elog(ERROR, "parameter \"%s\" was not given before: %s", param->name, statement->sql);
		require_same_param(statement, param, &prepared->params[i]);
		if (param->record == NULL)
		{
			values[n] = param->value;
			nulls[n++] = param->is_null ? 'n' : ' ';
			continue;
		}
		columns = param->record->columns(&count);
		for (c = 0; c < count; c++)
		{
			bool		is_null;

			values[n] = record_encode(&columns[c], DatumGetPointer(param->value), &is_null);
			nulls[n++] = is_null ? 'n' : ' ';
		}
	}
	if (i != prepared->nparams)
		elog(ERROR, "parameter \"%s\" is missing: %s", prepared->params[i].name, statement->sql);
}

/*
 * Run a statement within SPI_connect(), with the latest snapshot or one as usual.
 * Parameters are encoded in SPI's memory, which ends with SPI_finish().
 */
static void
execute_statement(Statement *statement, const NamedParam *params, Snapshot latest)
{
	Datum		values[MAX_VALUES];
	char		nulls[MAX_VALUES];
	int			nest_level = session_settings_enter();
	SPIPlanPtr	plan;
	int			code;

	require_safe_search_path();
	if (statement->prepared == NULL)
		statement->prepared = translate_statement(statement, params);
	plan = plan_of(statement);
	encode_params(statement, params, values, nulls);
	if (statement->prepared->writes)
		placement_current()->require_safe_write();

	/*
	 * Use a fresh snapshot, which shows the writes of an earlier call in the same SQL
	 * statement.  Exceptions: the statement allows the caller's snapshot, or this is a
	 * parallel worker, which must use it.
	 */
	if (latest != NULL)
		code = SPI_execute_snapshot(plan, values, nulls, latest, InvalidSnapshot, true, false, 1);
	else
		code = SPI_execute_plan(plan, values, nulls, statement->read_only || IsInParallelMode(), 0);
	session_settings_leave(nest_level);
	if (code < 0)
		elog(ERROR, "could not run a statement of anon_auth: %s", SPI_result_code_string(code));
}

/* Decode a row of SPI's result in the current memory context. */
static void
decode_row(const Statement *statement, uint64 number, void *row, void *joined)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	Datum		values[RECORD_MAX_COLUMNS];
	bool		nulls[RECORD_MAX_COLUMNS];

	if (statement->prepared->row.count == 0)
		elog(ERROR, "a statement was prepared without its record: %s", statement->sql);
	if (desc->natts > RECORD_MAX_COLUMNS)
		elog(ERROR, "a statement of anon_auth returns too many columns");
	heap_deform_tuple(SPI_tuptable->vals[number], desc, values, nulls);
	record_decode(statement->row, &statement->prepared->row, values, nulls, row);
	if (joined != NULL)
		record_decode(statement->joined, &statement->prepared->joined, values, nulls, joined);
}

/*
 * The functions below decode in the caller's memory context, before SPI_finish() frees
 * SPI's result: each value is copied once.
 */

/* Return the only user in a parameter, or NULL. */
static const pg_uuid_t *
only_user(const NamedParam *param)
{
	ArrayType  *users;

	if (param->type == UUIDOID)
		return DatumGetUUIDP(param->value);
	if (param->type != UUIDARRAYOID)
		return NULL;
	users = DatumGetArrayTypeP(param->value);
	return ArrayGetNItems(ARR_NDIM(users), ARR_DIMS(users)) != 1 ? NULL :
		(const pg_uuid_t *) ARR_DATA_PTR(users);
}

/* Whether the statement would find no row of the user. */
static bool
has_nothing_to_do(const Statement *statement, const NamedParam *params)
{
	const pg_uuid_t *user_id;

	if (statement->user_table == NULL || !placement_is_local())
		return false;
	user_id = only_user(&params[0]);
	return user_id != NULL && !key_read_may_find_user(statement->user_table, user_id);
}

uint64
statement_run(Statement *statement, const NamedParam *params)
{
	uint64		processed;

	if (has_nothing_to_do(statement, params))
		return 0;
	SPI_connect();
	execute_statement(statement, params, NULL);
	processed = SPI_processed;
	SPI_finish();
	return processed;
}

/* Read rows by the primary key.  Return false if the statement has to run instead. */
static bool
read_by_key(Statement *statement, const NamedParam *params, KeyRows *rows)
{
	return statement->key_table != NULL && placement_is_local() &&
		key_read(statement->key_table, statement->key_lock, statement->row, &statement->key_map,
				 params, rows);
}

bool
statement_fetch_joined(Statement *statement, const NamedParam *params, void *row, void *joined)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		found;

	SPI_connect();
	execute_statement(statement, params, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		MemoryContextSwitchTo(caller);
		decode_row(statement, 0, row, joined);
	}
	SPI_finish();
	return found;
}

bool
statement_fetch(Statement *statement, const NamedParam *params, void *row)
{
	KeyRows		found = {.rows = row,.room = 1};

	if (read_by_key(statement, params, &found))
		return found.count > 0;
	return statement_fetch_joined(statement, params, row, NULL);
}

void *
statement_fetch_all(Statement *statement, const NamedParam *params, int *count)
{
	MemoryContext caller = CurrentMemoryContext;
	size_t		size = statement->row->size;
	KeyRows		found = {.grows = true};
	char	   *rows;
	uint64		i;

	if (read_by_key(statement, params, &found))
	{
		*count = found.count;
		return found.rows;
	}
	SPI_connect();
	execute_statement(statement, params, NULL);
	*count = (int) SPI_processed;
	MemoryContextSwitchTo(caller);
	rows = palloc(size * Max(SPI_processed, 1));
	for (i = 0; i < SPI_processed; i++)
		decode_row(statement, i, rows + i * size, NULL);
	SPI_finish();
	return rows;
}

ArrayType *
statement_fetch_ids(Statement *statement, const NamedParam *params)
{
	int			count;
	IdRow	   *rows;
	Datum	   *ids;
	int			i;

	statement->row = &id_record;
	rows = statement_fetch_all(statement, params, &count);
	ids = palloc(sizeof(Datum) * Max(count, 1));
	for (i = 0; i < count; i++)
		ids[i] = UUIDPGetDatum(&rows[i].id);
	return construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* Commands of this transaction count as well: their rows are to be seen, too. */
bool
statement_fetch_latest(Statement *statement, const NamedParam *params, void *row)
{
	MemoryContext caller = CurrentMemoryContext;
	Snapshot	snapshot;
	bool		found;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SPI_connect();
	execute_statement(statement, params, snapshot);
	found = SPI_processed > 0;
	if (found && row != NULL)
	{
		MemoryContextSwitchTo(caller);
		decode_row(statement, 0, row, NULL);
	}
	SPI_finish();
	UnregisterSnapshot(snapshot);
	return found;
}

/* Let SPI find the rows. */
static void
visit_by_statement(Statement *statement, const NamedParam *params, Snapshot latest,
				   RowVisitor visit, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		goes_on = true;
	uint64		i;

	SPI_connect();
	execute_statement(statement, params, latest);
	MemoryContextSwitchTo(caller);
	for (i = 0; i < SPI_processed && goes_on; i++)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum	   *values = palloc(sizeof(Datum) * desc->natts);
		bool	   *nulls = palloc(sizeof(bool) * desc->natts);

		heap_deform_tuple(SPI_tuptable->vals[i], desc, values, nulls);
		goes_on = visit(desc, values, nulls, arg);
	}
	SPI_finish();
}

void
statement_visit_stamped(Statement *statement, const NamedParam *params, const CacheStamp *stamp,
						RowVisitor visit, void *arg)
{
	Snapshot	latest = NULL;

	if (stamp != NULL && stamp->outlives_statement)
		latest = RegisterSnapshot(GetLatestSnapshot());
	if (statement->key_table == NULL || !placement_is_local() ||
		!key_read_visit(statement->key_table, params,
						latest == NULL && statement->read_only ? GetActiveSnapshot() : latest,
						visit, arg))
		visit_by_statement(statement, params, latest, visit, arg);
	if (latest != NULL)
		UnregisterSnapshot(latest);
}
