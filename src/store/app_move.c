/*-------------------------------------------------------------------------
 *
 * app_move.c
 *	  Moving the rows of one user to another in the application's tables.
 *
 * A key may consist of several columns, of which users has the other ends: the
 * values to look for and those to put in their place are read from the two
 * users' rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "errors.h"
#include "lib/stringinfo.h"
#include "store/app_tables_private.h"
#include "store/distribution.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

/* The columns of users that keys refer to, and their values for both users. */
typedef struct UserValues
{
	int			count;
	char	  **columns;
	Oid		   *types;
	Datum	   *values;			/* of the one, then of the other */
	char	   *nulls;			/* as SPI wants it */
} UserValues;

static int
value_index(const UserValues *values, const char *column)
{
	int			i;

	for (i = 0; i < values->count; i++)
		if (strcmp(values->columns[i], column) == 0)
			return i;
	return -1;
}

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
				if (value_index(values, tables[i].keys[k].user_columns[c]) < 0)
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
	int			i;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (i = 0; i < values->count; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", quote_identifier(values->columns[i]));
	appendStringInfoString(&sql, " FROM anon_auth.users WHERE id OPERATOR(pg_catalog.=) $1");

	SPI_connect();
	if (SPI_execute_with_args(sql.data, 1, types, params, NULL, false, 0) != SPI_OK_SELECT ||
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

/* Whether a row refers to the one user by this key. */
static void
append_condition(StringInfo sql, const AppKey *key, const UserValues *values)
{
	int			c;

	appendStringInfoChar(sql, '(');
	for (c = 0; c < key->ncolumns; c++)
		appendStringInfo(sql, "%s%s OPERATOR(pg_catalog.=) $%d", c > 0 ? " AND " : "",
						 quote_identifier(key->columns[c]),
						 value_index(values, key->user_columns[c]) + 1);
	appendStringInfoChar(sql, ')');
}

static void
append_any_condition(StringInfo sql, const AppTable *table, const UserValues *values)
{
	int			k;

	for (k = 0; k < table->nkeys; k++)
	{
		appendStringInfoString(sql, k > 0 ? " OR " : " WHERE ");
		append_condition(sql, &table->keys[k], values);
	}
}

/* Keys may share a column; it can be set only once. */
static bool
set_before(const AppTable *table, int key, int column)
{
	int			k;
	int			c;

	for (k = 0; k <= key; k++)
		for (c = 0; c < table->keys[k].ncolumns && (k < key || c < column); c++)
			if (strcmp(table->keys[k].columns[c], table->keys[key].columns[column]) == 0)
				return true;
	return false;
}

static void
append_new_value(StringInfo sql, const AppTable *table, const char *column,
				 const UserValues *values)
{
	int			k;
	int			c;

	appendStringInfoString(sql, "CASE");
	for (k = 0; k < table->nkeys; k++)
		for (c = 0; c < table->keys[k].ncolumns; c++)
		{
			if (strcmp(table->keys[k].columns[c], column) != 0)
				continue;
			appendStringInfoString(sql, " WHEN ");
			append_condition(sql, &table->keys[k], values);
			appendStringInfo(sql, " THEN $%d", values->count + 1 +
							 value_index(values, table->keys[k].user_columns[c]));
		}
	appendStringInfo(sql, " ELSE %s END", quote_identifier(column));
}

static void
append_update(StringInfo sql, const AppTable *table, const UserValues *values)
{
	bool		first = true;
	int			k;
	int			c;

	appendStringInfo(sql, "UPDATE %s%s SET ", table->partitioned ? "" : "ONLY ",
					 table->qualified_name);
	for (k = 0; k < table->nkeys; k++)
		for (c = 0; c < table->keys[k].ncolumns; c++)
		{
			if (set_before(table, k, c))
				continue;
			if (!first)
				appendStringInfoString(sql, ", ");
			appendStringInfo(sql, "%s = ", quote_identifier(table->keys[k].columns[c]));
			append_new_value(sql, table, table->keys[k].columns[c], values);
			first = false;
		}
	append_any_condition(sql, table, values);
}

static bool
is_key_column(const AppTable *table, const char *column)
{
	int			k;
	int			c;

	for (k = 0; k < table->nkeys; k++)
		for (c = 0; c < table->keys[k].ncolumns; c++)
			if (strcmp(table->keys[k].columns[c], column) == 0)
				return true;
	return false;
}

/*
 * Where Citus distributes a table by a column that changes, which it does not
 * allow: the rows are taken out, and put in again where they belong then.
 */
static bool
changes_shard(const AppTable *table)
{
	char	   *column = store_distribution_column(table->id);

	return column != NULL && is_key_column(table, column);
}

static void
append_reinsertion(StringInfo sql, const AppTable *table, int i, const UserValues *values)
{
	Relation	relation = table_open(table->id, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	StringInfoData columns;
	StringInfoData expressions;
	int			a;

	initStringInfo(&columns);
	initStringInfo(&expressions);
	for (a = 0; a < desc->natts; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, a);
		const char *name = NameStr(attribute->attname);
		const char *separator = columns.len > 0 ? ", " : "";

		if (attribute->attisdropped || attribute->attgenerated != '\0')
			continue;
		appendStringInfo(&columns, "%s%s", separator, quote_identifier(name));
		appendStringInfoString(&expressions, separator);
		if (is_key_column(table, name))
			append_new_value(&expressions, table, name, values);
		else
			appendStringInfoString(&expressions, quote_identifier(name));
	}
	table_close(relation, AccessShareLock);

	appendStringInfo(sql, "d%d AS (DELETE FROM %s", i, table->qualified_name);
	append_any_condition(sql, table, values);
	appendStringInfo(sql, " RETURNING *), t%d AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE"
					 " SELECT %s FROM d%d", i, table->qualified_name, columns.data,
					 expressions.data, i);
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

static char *
update_statement(const AppTable *tables, int count, const UserValues *values)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfoString(&sql, i > 0 ? ", " : "WITH ");
		if (tables[i].changes_shard)
			append_reinsertion(&sql, &tables[i], i, values);
		else
		{
			appendStringInfo(&sql, "t%d AS (", i);
			append_update(&sql, &tables[i], values);
		}
		appendStringInfoString(&sql, " RETURNING 1)");
	}
	for (i = 0; i < count; i++)
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM t%d)",
						 i > 0 ? ", " : " SELECT ", i);
	return sql.data;
}

static char *
leftover_statement(const AppTable *tables, int count, const UserValues *values)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM %s%s",
						 i > 0 ? ", " : "SELECT ", tables[i].partitioned ? "" : "ONLY ",
						 tables[i].qualified_name);
		append_any_condition(&sql, &tables[i], values);
		appendStringInfoChar(&sql, ')');
	}
	return sql.data;
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

	run_for_numbers(tables, count, leftover_statement(tables, count, values), values, left);
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
		tables[i].changes_shard = changes_shard(&tables[i]);
	sql = update_statement(tables, count, values);
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
