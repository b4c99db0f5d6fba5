/*-------------------------------------------------------------------------
 *
 * app_move.c
 *	  Moving the rows of one user to another in the application's tables.
 *
 * Each group of linked tables is changed by one statement:
 *
 *	WITH t0 AS (UPDATE ... RETURNING 1), t1 AS (...) SELECT (SELECT count(*) FROM t0), ...
 *
 * A second one of the same form then counts the rows that still reference the first
 * user.  $1 and $2 are the ids of the users.  A table may have several keys to users,
 * and keys may share a column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "store/app_move.h"
#include "store/app_rows.h"
#include "store/app_statement.h"
#include "store/app_tables.h"
#include "store/owner_scope.h"
#include "store/placement.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* The condition that a row references user $1 by this key. */
static void
append_key_condition(StringInfo sql, const AppKey *key)
{
	appendStringInfo(sql, "%s OPERATOR(pg_catalog.=) $1", quote_identifier(key->column));
}

void
app_move_append_condition(StringInfo sql, const AppTable *table)
{
	int			k;

	for (k = 0; k < table->nkeys; k++)
	{
		appendStringInfoString(sql, k > 0 ? " OR " : " WHERE ");
		append_key_condition(sql, &table->keys[k]);
	}
}

/* Whether an earlier key has the same column, which an UPDATE can set only once. */
static bool
is_set_before(const AppTable *table, int key)
{
	int			k;

	for (k = 0; k < key; k++)
		if (strcmp(table->keys[k].column, table->keys[key].column) == 0)
			return true;
	return false;
}

/* A row may reference user $1 by one key and somebody else by another. */
void
app_move_append_new_value(StringInfo sql, const char *column)
{
	const char *quoted = quote_identifier(column);

	appendStringInfo(sql, "CASE WHEN %s OPERATOR(pg_catalog.=) $1 THEN $2 ELSE %s END", quoted,
					 quoted);
}

void
app_move_append_locally(StringInfo sql, AppTable *table, int number)
{
	int			k;

	appendStringInfo(sql, "t%d AS (UPDATE %s SET ", number, app_tables_target(table));
	for (k = 0; k < table->nkeys; k++)
	{
		if (is_set_before(table, k))
			continue;
		appendStringInfo(sql, "%s%s = ", k > 0 ? ", " : "", quote_identifier(table->keys[k].column));
		app_move_append_new_value(sql, table->keys[k].column);
	}
	app_move_append_condition(sql, table);
	appendStringInfoString(sql, " RETURNING 1)");
}

static char *
make_move_statement(AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfoString(&sql, i > 0 ? ", " : "WITH ");
		placement_current()->append_move(&sql, &tables[i], i);
	}
	for (i = 0; i < count; i++)
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM t%d)",
						 i > 0 ? ", " : " SELECT ", i);
	return sql.data;
}

static char *
make_leftover_statement(const AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM %s",
						 i > 0 ? ", " : "SELECT ", app_tables_target(&tables[i]));
		app_move_append_condition(&sql, &tables[i]);
		appendStringInfoChar(&sql, ')');
	}
	return sql.data;
}

/*
 * Raise AA021 for an error that a table raised.  Only its message is passed on,
 * because the detail may quote a row of another user.
 */
pg_noreturn static void
raise_refused(const AppTable *tables, int count, ErrorData *error)
{
	char	   *table = error->table_name != NULL && error->schema_name != NULL ?
		quote_qualified_identifier(error->schema_name, error->table_name) :
		app_tables_names(tables, count);
	bool		by_key = error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION;
	bool		reinserted = false;
	bool		collision = error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ||
		error->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION;
	int			i;

	if (error_must_not_be_caught(error))
		ReThrowError(error);
	for (i = 0; i < count; i++)
		reinserted |= tables[i].reinserted;
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_MERGE),
			 error->constraint_name != NULL ?
			 errmsg("the guest cannot be merged: table %s, constraint \"%s\"", table,
					error->constraint_name) :
			 errmsg("the guest cannot be merged: table %s", table),
			 errdetail_internal("%s", error->message),
			 collision ?
			 errhint("Let a merge hook (settings.merge) resolve such collisions first.") :
			 by_key && reinserted ?
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

/* Run a statement that returns one row with a number for each table. */
static void
run_for_numbers(AppTable *tables, int count, const char *sql, const Datum *users,
				uint64 *numbers)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[2] = {UUIDOID, UUIDOID};

	PG_TRY();
	{
		int			i;

		SPI_connect();
		if (app_statement_run(tables, count, sql, 2, types, (Datum *) users, NULL,
							  false) != SPI_OK_SELECT)
			elog(ERROR, "could not change the tables %s", app_tables_names(tables, count));
		if (SPI_processed != 1)
			elog(ERROR, "could not count the rows of %s", app_tables_names(tables, count));
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
 * A BEFORE trigger can suppress the change of a row without an error.  The row would
 * then be deleted with the guest.
 */
static void
refuse_leftovers(AppTable *tables, int count, const Datum *users)
{
	uint64	   *left = palloc(sizeof(uint64) * count);
	int			i;

	run_for_numbers(tables, count, make_leftover_statement(tables, count), users, left);
	for (i = 0; i < count; i++)
		if (left[i] > 0)
			ereport(ERROR,
					(error_refusal(ERRCODE_AA_MERGE),
					 errmsg("the guest cannot be merged: table %s", tables[i].qualified_name),
					 errdetail("A trigger or rule has kept " UINT64_FORMAT " rows from being moved.",
							   left[i])));
}

/* Move the rows in linked tables of one owner. */
static void
move_in_linked_tables(AppTable *tables, int count, const Datum *users)
{
	OwnerScope scope;
	uint64	   *moved = palloc(sizeof(uint64) * count);
	char	   *sql;
	int			i;

	sql = make_move_statement(tables, count);
	app_statement_enter_owner(&scope, tables[0].owner);
	run_for_numbers(tables, count, sql, users, moved);
	app_statement_leave_owner(&scope);
	for (i = 0; i < count; i++)
		tables[i].moved += moved[i];
}

/*
 * Move the rows in all tables.  Rows that are left are looked for only after that,
 * because a trigger of one table may write to another.
 */
static void
move_in_all_tables(AppTable *tables, int count, const Datum *users)
{
	ArrayType  *from = construct_array((Datum *) users, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
	int			first;
	int			n;

	app_rows_refuse_unseen(tables, count, from, true);
	for (first = 0; first < count; first += n)
	{
		n = app_tables_linked(tables, count, first);
		move_in_linked_tables(&tables[first], n, users);
	}
	for (first = 0; first < count; first += n)
	{
		OwnerScope scope;

		n = app_tables_linked(tables, count, first);
		app_statement_enter_owner(&scope, tables[first].owner);
		refuse_leftovers(&tables[first], n, users);
		app_statement_leave_owner(&scope);
	}
	app_rows_refuse_unseen(tables, count, from, true);
}

/* Take over how many rows earlier rounds have moved. */
static void
carry_moved(AppTable *tables, int count, const AppTable *earlier, int earlier_count)
{
	int			i;
	int			j;

	for (i = 0; i < count; i++)
		for (j = 0; j < earlier_count; j++)
			if (tables[i].id == earlier[j].id)
				tables[i].moved = earlier[j].moved;
}

/*
 * Triggers can create tables and foreign keys to users, and a partition can be
 * detached concurrently.  The next round moves what an earlier one could not find.
 */
AppTable *
app_move_rows(const pg_uuid_t *from, const pg_uuid_t *to, int *count)
{
	Datum		users[2] = {UUIDPGetDatum(from), UUIDPGetDatum(to)};
	AppTable   *earlier = NULL;
	int			earlier_count = 0;
	int			rounds;

	for (rounds = 0; rounds < APP_TABLES_ROUNDS; rounds++)
	{
		AppTable   *tables = app_tables_find(true, count);

		carry_moved(tables, *count, earlier, earlier_count);
		if (*count == 0)
			return tables;
		move_in_all_tables(tables, *count, users);
		if (app_tables_unchanged(true, tables, *count))
			return tables;
		earlier = tables;
		earlier_count = *count;
	}
	app_tables_raise_unstable();
}
