/*-------------------------------------------------------------------------
 *
 * app_release.c
 *	  What becomes of the application's rows when users are deleted.
 *
 * PostgreSQL would do what the foreign keys say as the tables' owners, but
 * would run the AFTER triggers of those tables with the rights of whoever
 * deletes the user: the extension's owner.  So it is done here first, with
 * everything that belongs to it, and users_delete() lets PostgreSQL do nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "store/app_tables_private.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Whether a row refers to one of the users. */
static void
append_condition(StringInfo sql, const AppKey *key)
{
	appendStringInfo(sql, "%s OPERATOR(pg_catalog.=) ANY ($1)", quote_identifier(key->column));
}

/* By any of the keys with an action; NULL where the table has none such. */
static char *
any_condition(const AppTable *table, char action)
{
	StringInfoData sql;
	int			k;

	initStringInfo(&sql);
	for (k = 0; k < table->nkeys; k++)
	{
		if (table->keys[k].delete_action != action)
			continue;
		if (sql.len > 0)
			appendStringInfoString(&sql, " OR ");
		append_condition(&sql, &table->keys[k]);
	}
	return sql.len > 0 ? sql.data : NULL;
}

/* ON DELETE CASCADE */
static char *
delete_statement(const AppTable *table)
{
	char	   *condition = any_condition(table, FKCONSTR_ACTION_CASCADE);

	return condition == NULL ? NULL :
		psprintf("DELETE FROM %s WHERE %s", app_table_target(table), condition);
}

static bool
is_listed(List *columns, const char *column)
{
	ListCell   *cell;

	foreach(cell, columns)
		if (strcmp(lfirst(cell), column) == 0)
			return true;
	return false;
}

/* ON DELETE SET NULL, of rows that another key does not delete. */
static char *
set_null_statement(const AppTable *table)
{
	char	   *condition = any_condition(table, FKCONSTR_ACTION_SETNULL);
	char	   *deleted = any_condition(table, FKCONSTR_ACTION_CASCADE);
	List	   *done = NIL;
	StringInfoData sql;
	int			k;

	if (condition == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", app_table_target(table));
	for (k = 0; k < table->nkeys; k++)
	{
		AppKey	   *key = &table->keys[k];
		const char *column = quote_identifier(key->column);

		if (key->delete_action != FKCONSTR_ACTION_SETNULL || is_listed(done, column))
			continue;
		appendStringInfo(&sql, "%s%s = CASE WHEN ", done != NIL ? ", " : "", column);
		append_condition(&sql, key);
		appendStringInfo(&sql, " THEN NULL ELSE %s END", column);
		done = lappend(done, unconstify(char *, column));
	}
	appendStringInfo(&sql, " WHERE (%s)", condition);
	if (deleted != NULL)
		appendStringInfo(&sql, " AND (%s) IS NOT TRUE", deleted);
	return sql.data;
}

/* ON DELETE SET DEFAULT */
static char *
set_default_statement(const AppTable *table, const AppKey *key)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET %s = DEFAULT WHERE ", app_table_target(table),
					 quote_identifier(key->column));
	append_condition(&sql, key);
	return sql.data;
}

/* The tables that the statement names have one owner. */
static void
run_as_owner(const AppTable *tables, int count, const char *sql, ArrayType *users)
{
	StoreOwnerScope scope;
	Oid			types[1] = {UUIDARRAYOID};
	Datum		params[1] = {PointerGetDatum(users)};
	int			code;

	if (sql == NULL)
		return;
	app_owner_enter(&scope, tables[0].owner);
	SPI_connect();
	code = app_statement_run(tables, count, sql, 1, types, params, NULL, false);
	if (code < 0)
		elog(ERROR, "could not change %s: %s", app_table_names(tables, count),
			 SPI_result_code_string(code));
	SPI_finish();
	app_owner_leave(&scope);
}

/* What deletes and sets NULL in linked tables, as one statement. */
static char *
joint_statement(const AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		char	   *statements[2];
		int			s;

		statements[0] = delete_statement(&tables[i]);
		statements[1] = set_null_statement(&tables[i]);
		for (s = 0; s < 2; s++)
			if (statements[s] != NULL)
				appendStringInfo(&sql, "%s s%d_%d AS (%s RETURNING 1)", sql.len > 0 ? "," : "WITH",
								 i, s, statements[s]);
	}
	if (sql.len == 0)
		return NULL;
	appendStringInfoString(&sql, " SELECT 1");
	return sql.data;
}

static void
act_together(const AppTable *tables, int count, ArrayType *users)
{
	int			i;
	int			k;

	if (count > 1)
		run_as_owner(tables, count, joint_statement(tables, count), users);
	else
	{
		run_as_owner(tables, 1, delete_statement(&tables[0]), users);
		run_as_owner(tables, 1, set_null_statement(&tables[0]), users);
	}
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			if (tables[i].keys[k].delete_action == FKCONSTR_ACTION_SETDEFAULT)
				run_as_owner(&tables[i], 1,
							 set_default_statement(&tables[i], &tables[i].keys[k]), users);
}

/*
 * Rows that a snapshot for the whole transaction does not show count, too: the
 * users are locked, so there can be no more of them.
 */
static void
refuse_rows(const AppTable *table, const AppKey *key, ArrayType *users)
{
	bool		restricts = app_key_restricts(key);
	Snapshot	snapshot;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (app_key_has_rows(table, key, users, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("the user cannot be deleted: rows of table %s reference it",
						table->qualified_name),
				 restricts ?
				 errdetail("Foreign key \"%s\" has no ON DELETE action.", key->constraint) :
				 errdetail("A trigger or rule prevented the action of foreign key \"%s\".", key->constraint),
				 err_generic_string(PG_DIAG_SCHEMA_NAME, table->schema),
				 err_generic_string(PG_DIAG_TABLE_NAME, table->name),
				 err_generic_string(PG_DIAG_CONSTRAINT_NAME, key->constraint)));
	UnregisterSnapshot(snapshot);
}

static void
release_from(const AppTable *tables, int count, ArrayType *users)
{
	int			first;
	int			n;
	int			i;
	int			k;

	app_tables_refuse_unseen(tables, count, users, false);
	for (first = 0; first < count; first += n)
	{
		n = app_tables_linked(tables, count, first);
		act_together(&tables[first], n, users);
	}

	/* Last, for what one key forbids another may have taken away. */
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			refuse_rows(&tables[i], &tables[i].keys[k], users);
}

/*
 * Triggers may make tables and keys, and a partition may be detached concurrently:
 * what one round has not seen the next one does.
 */
void
app_tables_release(ArrayType *users)
{
	int			rounds;

	for (rounds = 0; rounds < APP_TABLES_ROUNDS; rounds++)
	{
		int			count;
		AppTable   *tables = app_tables_find(false, &count);

		if (count == 0)
			return;
		release_from(tables, count, users);
		if (app_tables_unchanged(false, tables, count))
			return;
	}
	app_tables_raise_unstable();
}
