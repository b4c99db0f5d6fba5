/*-------------------------------------------------------------------------
 *
 * app_move.c
 *	  Moving the rows of one user to another in the application's tables.
 *
 * The values to look for and those to put in their place are read from the two
 * users' rows: a key may consist of several columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "errors.h"
#include "lib/stringinfo.h"
#include "store/app_move_statement.h"
#include "store/app_tables_private.h"
#include "store/distribution.h"
#include "store/session_settings.h"
#include "utils/builtins.h"
#include "utils/datum.h"

/* What a DELETE would do to other tables' rows; a key may refer to a partition. */
static StoreStatement find_cascade = {
	.sql = "WITH part AS (SELECT $1 AS id UNION SELECT relid FROM pg_catalog.pg_partition_tree($1))"
	" SELECT c.conname::text, c.conrelid::pg_catalog.regclass::text"
	" FROM pg_catalog.pg_constraint c WHERE c.contype = 'f'"
	" AND c.confrelid IN (SELECT id FROM part) AND c.conrelid NOT IN (SELECT id FROM part)"
	" AND c.confdeltype NOT IN ('a', 'r') ORDER BY 2, 1 LIMIT 1",
	.nparams = 1,
	.types = {OIDOID}
};

static void
collect_columns(const AppTable *tables, int count, UserValues *values)
{
	int			total = 0;
	int			i;
	int			k;
	int			c;

	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			total += tables[i].keys[k].ncolumns;
	memset(values, 0, sizeof(UserValues));
	values->columns = palloc(sizeof(char *) * Max(total, 1));
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			for (c = 0; c < tables[i].keys[k].ncolumns; c++)
				if (user_value_index(values, tables[i].keys[k].user_columns[c]) < 0)
					values->columns[values->count++] = tables[i].keys[k].user_columns[c];
}

/* Copies one user's values behind those that are there. */
static void
read_user(const pg_uuid_t *id, UserValues *values, int offset)
{
	Oid			types[1] = {UUIDOID};
	Datum		params[1] = {UUIDPGetDatum(id)};
	MemoryContext context = CurrentMemoryContext;
	StringInfoData sql;
	int			nest_level = session_settings_enter(false);
	int			i;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (i = 0; i < values->count; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", quote_identifier(values->columns[i]));
	appendStringInfoString(&sql, " FROM anon_auth.users WHERE id OPERATOR(pg_catalog.=) $1");

	SPI_connect();
	if (store_execute_once(sql.data, 1, types, params, NULL, false) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read a user");
	for (i = 0; i < values->count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, i);
		bool		is_null;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1,
										  &is_null);
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		values->types[offset + i] = attribute->atttypid;
		values->nulls[offset + i] = is_null ? 'n' : ' ';
		values->values[offset + i] = is_null ? (Datum) 0 :
			datumCopy(value, attribute->attbyval, attribute->attlen);
		MemoryContextSwitchTo(spi_context);
	}
	SPI_finish();
	session_settings_leave(nest_level);
}

static void
read_values(const AppTable *tables, int count, const pg_uuid_t *from, const pg_uuid_t *to,
			UserValues *values)
{
	collect_columns(tables, count, values);
	values->types = palloc(sizeof(Oid) * 2 * values->count);
	values->values = palloc(sizeof(Datum) * 2 * values->count);
	values->nulls = palloc(2 * values->count);
	read_user(from, values, 0);
	read_user(to, values, values->count);
}

/*
 * Where Citus distributes a table by a column that changes, which it does not
 * allow: the rows are taken out, and put in again where they belong then.
 */
static bool
changes_shard(const AppTable *table)
{
	char	   *column = store_distribution_column(table->id);

	return column != NULL && app_key_has_column(table, column);
}

static void
refuse_cascade(const AppTable *table)
{
	Datum		params[1] = {ObjectIdGetDatum(table->id)};
	StoreRow	row;

	if (store_run(&find_cascade, params, NULL, &row) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_AA_MERGE),
				 errmsg("the guest cannot be merged: table %s", table->qualified_name),
				 errdetail("As its rows go to another shard, foreign key \"%s\" of table %s would delete or change rows there.",
						   store_text(&row, 0), store_text(&row, 1)),
				 errhint("Let a merge hook (settings.merge) move the rows of tables that refer to each other.")));
}

/* The detail may quote another user's row, so only the message is passed on. */
pg_noreturn static void
raise_refused(const AppTable *tables, int count, ErrorData *error)
{
	char	   *table = error->table_name != NULL && error->schema_name != NULL ?
		quote_qualified_identifier(error->schema_name, error->table_name) :
		app_table_names(tables, count);
	bool		by_key = error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION;
	bool		changes_shards = false;
	bool		collision = error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ||
		error->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION;
	int			i;

	if (error_must_not_be_caught(error))
		ReThrowError(error);
	for (i = 0; i < count; i++)
		changes_shards |= tables[i].changes_shard;
	ereport(ERROR,
			(errcode(ERRCODE_AA_MERGE),
			 error->constraint_name != NULL ?
			 errmsg("the guest cannot be merged: table %s, constraint \"%s\"", table,
					error->constraint_name) :
			 errmsg("the guest cannot be merged: table %s", table),
			 errdetail_internal("%s", error->message),
			 collision ?
			 errhint("Let a merge hook (settings.merge) resolve such collisions first.") :
			 by_key && changes_shards ?
			 errhint("Let a merge hook (settings.merge) move the rows of tables that refer to each other.") :
			 by_key ?
			 errhint("Give that foreign key ON UPDATE CASCADE, or both tables one owner.") : 0,
			 error->schema_name != NULL ?
			 err_generic_string(PG_DIAG_SCHEMA_NAME, error->schema_name) : 0,
			 error->table_name != NULL ?
			 err_generic_string(PG_DIAG_TABLE_NAME, error->table_name) : 0,
			 error->constraint_name != NULL ?
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, error->constraint_name) : 0));
}

/* Runs a statement that gives a row of numbers, one a table. */
static void
run_for_numbers(AppTable *tables, int count, const char *sql, const UserValues *values,
				uint64 *numbers)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		int			i;

		SPI_connect();
		if (app_statement_run(tables, count, sql, 2 * values->count, values->types, values->values,
							  values->nulls, false) != SPI_OK_SELECT)
			elog(ERROR, "could not change the tables %s", app_table_names(tables, count));
		if (SPI_processed != 1)
			elog(ERROR, "could not count the rows of %s", app_table_names(tables, count));
		for (i = 0; i < count; i++)
		{
			bool		is_null;

			numbers[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
													 SPI_tuptable->tupdesc, i + 1, &is_null));
		}
		SPI_finish();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		raise_refused(tables, count, error);
	}
	PG_END_TRY();
}

/*
 * A BEFORE trigger can keep a row back without a word, and it would be deleted
 * with the guest.
 */
static void
refuse_leftovers(AppTable *tables, int count, const UserValues *values)
{
	uint64	   *left = palloc(sizeof(uint64) * count);
	int			i;

	run_for_numbers(tables, count, app_leftover_statement(tables, count, values), values, left);
	for (i = 0; i < count; i++)
		if (left[i] > 0)
			ereport(ERROR,
					(errcode(ERRCODE_AA_MERGE),
					 errmsg("the guest cannot be merged: table %s", tables[i].qualified_name),
					 errdetail("A trigger or rule has kept " UINT64_FORMAT " rows from being moved.",
							   left[i])));
}

static void
move_together(AppTable *tables, int count, const UserValues *values)
{
	StoreOwnerScope scope;
	uint64	   *moved = palloc(sizeof(uint64) * count);
	char	   *sql;
	int			i;

	for (i = 0; i < count; i++)
	{
		tables[i].changes_shard = changes_shard(&tables[i]);
		if (tables[i].changes_shard)
			refuse_cascade(&tables[i]);
	}
	sql = app_move_statement(tables, count, values);
	app_owner_enter(&scope, tables[0].owner);
	run_for_numbers(tables, count, sql, values, moved);
	refuse_leftovers(tables, count, values);
	app_owner_leave(&scope);
	for (i = 0; i < count; i++)
		tables[i].moved = moved[i];
}

void
app_tables_move(AppTable *tables, int count, const pg_uuid_t *from, const pg_uuid_t *to)
{
	UserValues	values;
	int			first;
	int			n;

	if (count == 0)
		return;
	read_values(tables, count, from, to, &values);
	for (first = 0; first < count; first += n)
	{
		n = app_tables_linked(tables, count, first);
		move_together(&tables[first], n, &values);
	}
}
