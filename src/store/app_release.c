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
#include "nodes/pg_list.h"
#include "store/app_tables_private.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Whether a row refers to one of the users: a NULL in a key refers to nobody. */
static void
append_condition(StringInfo sql, const AppTable *table, const AppKey *key)
{
	int			i;

	appendStringInfo(sql, "(%s OPERATOR(pg_catalog.=) ANY ($1)",
					 quote_identifier(app_key_id_column(table, key)));
	for (i = 0; i < key->ncolumns; i++)
		appendStringInfo(sql, " AND %s IS NOT NULL", quote_identifier(key->columns[i]));
	appendStringInfoChar(sql, ')');
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
		append_condition(&sql, table, &table->keys[k]);
	}
	return sql.len > 0 ? sql.data : NULL;
}

/* "ONLY", except where the rows are in partitions. */
static char *
target(const AppTable *table)
{
	return psprintf("%s%s", table->partitioned ? "" : "ONLY ", table->qualified_name);
}

/* ON DELETE CASCADE */
static char *
delete_statement(const AppTable *table)
{
	char	   *condition = any_condition(table, 'c');

	return condition == NULL ? NULL :
		psprintf("DELETE FROM %s WHERE %s", target(table), condition);
}

/* Which keys with this action set a column; a condition, or NULL for none. */
static char *
set_condition(const AppTable *table, const char *column)
{
	StringInfoData sql;
	int			k;
	int			c;

	initStringInfo(&sql);
	for (k = 0; k < table->nkeys; k++)
		for (c = 0; table->keys[k].delete_action == 'n' && c < table->keys[k].nset_columns; c++)
		{
			if (strcmp(table->keys[k].set_columns[c], column) != 0)
				continue;
			if (sql.len > 0)
				appendStringInfoString(&sql, " OR ");
			append_condition(&sql, table, &table->keys[k]);
		}
	return sql.data;
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
	char	   *condition = any_condition(table, 'n');
	char	   *deleted = any_condition(table, 'c');
	List	   *done = NIL;
	StringInfoData sql;
	int			k;
	int			c;

	if (condition == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", target(table));
	for (k = 0; k < table->nkeys; k++)
		for (c = 0; table->keys[k].delete_action == 'n' && c < table->keys[k].nset_columns; c++)
		{
			char	   *column = table->keys[k].set_columns[c];

			if (is_listed(done, column))
				continue;
			appendStringInfo(&sql, "%s%s = CASE WHEN %s THEN NULL ELSE %s END",
							 done != NIL ? ", " : "", quote_identifier(column),
							 set_condition(table, column), quote_identifier(column));
			done = lappend(done, column);
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
	int			c;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", target(table));
	for (c = 0; c < key->nset_columns; c++)
		appendStringInfo(&sql, "%s%s = DEFAULT", c > 0 ? ", " : "",
						 quote_identifier(key->set_columns[c]));
	appendStringInfoString(&sql, " WHERE ");
	append_condition(&sql, table, key);
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
			if (tables[i].keys[k].delete_action == 'd')
				run_as_owner(&tables[i], 1,
							 set_default_statement(&tables[i], &tables[i].keys[k]), users);
}

/* In a snapshot of its own, which sees what the transaction's does not. */
static bool
finds_rows(const AppTable *table, const AppKey *key, ArrayType *users, Snapshot snapshot)
{
	StoreOwnerScope scope;
	Oid			types[1] = {UUIDARRAYOID};
	Datum		params[1] = {PointerGetDatum(users)};
	StringInfoData sql;
	bool		found;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT 1 FROM %s WHERE ", target(table));
	append_condition(&sql, table, key);
	appendStringInfoString(&sql, " LIMIT 1");
	app_owner_enter(&scope, table->owner);
	PushActiveSnapshot(snapshot);
	SPI_connect();
	if (app_statement_run(table, 1, sql.data, 1, types, params, NULL, true) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", table->qualified_name);
	found = SPI_processed > 0;
	SPI_finish();
	PopActiveSnapshot();
	app_owner_leave(&scope);
	return found;
}

/*
 * With a snapshot for the whole transaction rows may have been missed.  The
 * users are locked, so there can be no more of them.
 */
static void
refuse_rows(const AppTable *table, const AppKey *key, ArrayType *users)
{
	bool		restricts = key->delete_action == 'a' || key->delete_action == 'r';
	Snapshot	snapshot;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (finds_rows(table, key, users, snapshot))
	{
		if (!restricts && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("rows of table %s keep the user from being deleted", table->qualified_name),
				 restricts ?
				 errdetail("Foreign key \"%s\" does not say what becomes of them.", key->constraint) :
				 errdetail("A trigger or rule has kept them from what foreign key \"%s\" says.",
						   key->constraint),
				 err_generic_string(PG_DIAG_SCHEMA_NAME, table->schema),
				 err_generic_string(PG_DIAG_TABLE_NAME, table->name),
				 err_generic_string(PG_DIAG_CONSTRAINT_NAME, key->constraint)));
	}
	UnregisterSnapshot(snapshot);
}

void
app_tables_release(const AppTable *tables, int count, ArrayType *users)
{
	int			first;
	int			n;
	int			i;
	int			k;

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
