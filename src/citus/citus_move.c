/*-------------------------------------------------------------------------
 *
 * citus_move.c
 *	  The application's tables on a Citus cluster.
 *
 * Citus does not let an UPDATE change the column that a table is distributed by.
 * When that column is the foreign key to users, a merge deletes the guest's rows and
 * inserts them again for the account, mostly on another shard.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "base/errors.h"
#include "citus/citus_move.h"
#include "citus/citus_tables.h"
#include "miscadmin.h"
#include "store/app_move.h"
#include "store/statement.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define CASCADE_COLUMNS(COLUMN) \
	COLUMN(TEXT, foreign_key, "c.conname::text") \
	COLUMN(TEXT, table_name, "c.conrelid::pg_catalog.regclass::text")

typedef struct Cascade
{
	CASCADE_COLUMNS(RECORD_FIELD)
} Cascade;

RECORD_TYPE(cascade, Cascade, CASCADE_COLUMNS);

/*
 * A foreign key by which deleting rows of the table would change rows of another one.
 * It may refer to a partition.
 */
static Statement find_cascade = {
	.sql = "WITH part AS (SELECT :table AS id UNION SELECT relid FROM pg_catalog.pg_partition_tree(:table))"
	" SELECT {cascade} FROM pg_catalog.pg_constraint c WHERE c.contype = 'f'"
	" AND c.confrelid IN (SELECT id FROM part) AND c.conrelid NOT IN (SELECT id FROM part)"
	" AND c.confdeltype NOT IN ('a', 'r') ORDER BY 2, 1 LIMIT 1",
	.row = &cascade_record
};

/* Whether the column is one of those that reference users. */
static bool
is_key_column(const AppTable *table, const char *column)
{
	int			k;

	for (k = 0; k < table->nkeys; k++)
		if (strcmp(table->keys[k].column, column) == 0)
			return true;
	return false;
}

static void
refuse_cascade(const AppTable *table)
{
	Cascade		cascade;

	if (statement_fetch(&find_cascade, PARAMS(param_oid("table", table->id)), &cascade))
		ereport(ERROR,
				(error_refusal(ERRCODE_AA_MERGE),
				 errmsg("the guest cannot be merged: table %s", table->qualified_name),
				 errdetail("As its rows go to another shard, foreign key \"%s\" of table %s would delete or change rows there.",
						   cascade.foreign_key, cascade.table_name),
				 errhint("Let a merge hook (settings.merge) move the rows of tables that refer to each other.")));
}

/* Take the rows out, and put them in where they belong then. */
static void
append_reinsertion(StringInfo sql, const AppTable *table, int number)
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
			app_move_append_new_value(&expressions, name);
		else
			appendStringInfoString(&expressions, quote_identifier(name));
	}
	table_close(relation, AccessShareLock);

	appendStringInfo(sql, "d%d AS (DELETE FROM %s", number, table->qualified_name);
	app_move_append_condition(sql, table);
	appendStringInfo(sql, " RETURNING *), t%d AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE"
					 " SELECT %s FROM d%d RETURNING 1)", number, table->qualified_name,
					 columns.data, expressions.data, number);
}

void
citus_move_append(StringInfo sql, AppTable *table, int number)
{
	char	   *column = citus_tables_column(table->id);

	table->reinserted = column != NULL && is_key_column(table, column);
	if (table->reinserted)
	{
		refuse_cascade(table);
		append_reinsertion(sql, table, number);
	}
	else
		app_move_append_locally(sql, table, number);
}

/*
 * Citus reaches a shard as one role within a transaction, and the users' rows are
 * reached as the extension's owner, which is the current user here.
 */
void
citus_move_check_tables(const AppTable *tables, int count)
{
	int			i;

	for (i = 0; i < count; i++)
		if (tables[i].owner != GetUserId() && citus_tables_column(tables[i].id) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("distributed table %s must belong to the owner of anon_auth",
							tables[i].qualified_name),
					 errhint("ALTER TABLE %s OWNER TO %s;", tables[i].qualified_name,
							 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}
