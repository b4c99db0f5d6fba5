/*-------------------------------------------------------------------------
 *
 * app_release.c
 *	  Rows of the application's tables whose users are deleted.
 *
 * PostgreSQL carries out the actions of foreign keys as the owner of the referencing
 * table.  But before version 18, it runs the AFTER triggers of that table with the
 * rights of the role that deletes the user: the extension's owner.  Therefore this file
 * carries out the actions first, as the table's owner, with all triggers.  Then
 * user_deletion.c deletes the users without firing triggers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "store/app_release.h"
#include "store/app_rows.h"
#include "store/app_statement.h"
#include "store/app_tables.h"
#include "store/owner_scope.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Append the condition that a row references one of the users ($1) by this key. */
static void
append_users_condition(StringInfo sql, const AppKey *key)
{
	appendStringInfo(sql, "%s OPERATOR(pg_catalog.=) ANY ($1)", quote_identifier(key->column));
}

/*
 * Return the condition that a row references one of the users by a key with this
 * action, or NULL if the table has no such key.
 */
static char *
make_condition(const AppTable *table, char action)
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
		append_users_condition(&sql, &table->keys[k]);
	}
	return sql.len > 0 ? sql.data : NULL;
}

/* Return the statement for ON DELETE CASCADE, or NULL if no key has this action. */
static char *
make_delete_statement(const AppTable *table)
{
	char	   *condition = make_condition(table, FKCONSTR_ACTION_CASCADE);

	return condition == NULL ? NULL :
		psprintf("DELETE FROM %s WHERE %s", app_tables_target(table), condition);
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

/*
 * Return the statement for ON DELETE SET NULL, or NULL.  It excludes rows that
 * the CASCADE of another key deletes: one statement may change a row only once.
 */
static char *
make_set_null_statement(const AppTable *table)
{
	char	   *condition = make_condition(table, FKCONSTR_ACTION_SETNULL);
	char	   *deleted = make_condition(table, FKCONSTR_ACTION_CASCADE);
	List	   *done = NIL;
	StringInfoData sql;
	int			k;

	if (condition == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", app_tables_target(table));
	for (k = 0; k < table->nkeys; k++)
	{
		AppKey	   *key = &table->keys[k];
		const char *column = quote_identifier(key->column);

		if (key->delete_action != FKCONSTR_ACTION_SETNULL || is_listed(done, column))
			continue;
		appendStringInfo(&sql, "%s%s = CASE WHEN ", done != NIL ? ", " : "", column);
		append_users_condition(&sql, key);
		appendStringInfo(&sql, " THEN NULL ELSE %s END", column);
		done = lappend(done, unconstify(char *, column));
	}
	appendStringInfo(&sql, " WHERE (%s)", condition);
	if (deleted != NULL)
		appendStringInfo(&sql, " AND (%s) IS NOT TRUE", deleted);
	return sql.data;
}

/*
 * Return the statement for ON DELETE SET DEFAULT of a key.  DEFAULT is
 * not allowed in a CASE expression, so each key needs a statement.
 */
static char *
make_set_default_statement(const AppTable *table, const AppKey *key)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET %s = DEFAULT WHERE ", app_tables_target(table),
					 quote_identifier(key->column));
	append_users_condition(&sql, key);
	return sql.data;
}

/* Run a statement on tables of one owner.  sql NULL: do nothing. */
static void
run_as_table_owner(const AppTable *tables, int count, const char *sql, ArrayType *users)
{
	OwnerScope scope;
	Oid			type = UUIDARRAYOID;
	Datum		ids = PointerGetDatum(users);
	int			code;

	if (sql == NULL)
		return;
	app_statement_enter_owner(&scope, tables[0].owner);
	SPI_connect();
	code = app_statement_run(tables, count, sql, 1, &type, &ids, NULL, false);
	if (code < 0)
		elog(ERROR, "could not change %s: %s", app_tables_names(tables, count),
			 SPI_result_code_string(code));
	SPI_finish();
	app_statement_leave_owner(&scope);
}

/* Return one statement that deletes and sets NULL in linked tables, or NULL. */
static char *
make_joint_statement(const AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		char	   *statements[2];
		int			s;

		statements[0] = make_delete_statement(&tables[i]);
		statements[1] = make_set_null_statement(&tables[i]);
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

/* Carry out the actions in linked tables of one owner. */
static void
release_in_linked_tables(const AppTable *tables, int count, ArrayType *users)
{
	int			i;
	int			k;

	if (count > 1)
		run_as_table_owner(tables, count, make_joint_statement(tables, count), users);
	else
	{
		run_as_table_owner(tables, 1, make_delete_statement(&tables[0]), users);
		run_as_table_owner(tables, 1, make_set_null_statement(&tables[0]), users);
	}
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			if (tables[i].keys[k].delete_action == FKCONSTR_ACTION_SETDEFAULT)
				run_as_table_owner(&tables[i], 1,
								   make_set_default_statement(&tables[i], &tables[i].keys[k]), users);
}

/*
 * Raise 23503 if rows reference the users by a key.  The latest snapshot also shows rows
 * that the transaction's snapshot does not.  The users are locked, so no other
 * transaction can add a row afterwards.
 */
static void
refuse_remaining_rows(const AppTable *table, const AppKey *key, ArrayType *users)
{
	bool		restricts = app_tables_key_restricts(key);
	Snapshot	snapshot;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (app_rows_exist(table, key, users, snapshot))
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
release_in_all_tables(const AppTable *tables, int count, ArrayType *users)
{
	int			first;
	int			n;
	int			i;
	int			k;

	app_rows_refuse_unseen(tables, count, users, false);
	for (first = 0; first < count; first += n)
	{
		n = app_tables_linked(tables, count, first);
		release_in_linked_tables(&tables[first], n, users);
	}

	/* Check last: the action of one key may remove rows that another key restricts. */
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			refuse_remaining_rows(&tables[i], &tables[i].keys[k], users);
}

/*
 * Triggers can create tables and foreign keys to users, and a partition can be
 * detached concurrently.  The next round processes the keys that an earlier round could
 * not find.
 */
void
app_release_users(ArrayType *users)
{
	int			rounds;

	for (rounds = 0; rounds < APP_TABLES_ROUNDS; rounds++)
	{
		int			count;
		AppTable   *tables = app_tables_find(false, &count);

		if (count == 0)
			return;
		release_in_all_tables(tables, count, users);
		if (app_tables_unchanged(false, tables, count))
			return;
	}
	app_tables_raise_unstable();
}
