/*-------------------------------------------------------------------------
 *
 * app_move_statement.c
 *	  The statements that app_move.c runs, as text.
 *
 * A table may have several keys, and keys may share a column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "lib/stringinfo.h"
#include "store/app_move_statement.h"
#include "store/app_tables_private.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* Whether a row refers to the one user by this key. */
static void
append_condition(StringInfo sql, const AppKey *key)
{
	appendStringInfo(sql, "%s OPERATOR(pg_catalog.=) $1", quote_identifier(key->column));
}

static void
append_any_condition(StringInfo sql, const AppTable *table)
{
	int			k;

	for (k = 0; k < table->nkeys; k++)
	{
		appendStringInfoString(sql, k > 0 ? " OR " : " WHERE ");
		append_condition(sql, &table->keys[k]);
	}
}

/* Two keys may have the same column, which can be set only once. */
static bool
set_before(const AppTable *table, int key)
{
	int			k;

	for (k = 0; k < key; k++)
		if (strcmp(table->keys[k].column, table->keys[key].column) == 0)
			return true;
	return false;
}

static void
append_new_value(StringInfo sql, const char *column)
{
	const char *quoted = quote_identifier(column);

	appendStringInfo(sql, "CASE WHEN %s OPERATOR(pg_catalog.=) $1 THEN $2 ELSE %s END", quoted,
					 quoted);
}

static void
append_update(StringInfo sql, const AppTable *table)
{
	int			k;

	appendStringInfo(sql, "UPDATE %s SET ", app_table_target(table));
	for (k = 0; k < table->nkeys; k++)
	{
		if (set_before(table, k))
			continue;
		appendStringInfo(sql, "%s%s = ", k > 0 ? ", " : "", quote_identifier(table->keys[k].column));
		append_new_value(sql, table->keys[k].column);
	}
	append_any_condition(sql, table);
}

bool
app_key_has_column(const AppTable *table, const char *column)
{
	int			k;

	for (k = 0; k < table->nkeys; k++)
		if (strcmp(table->keys[k].column, column) == 0)
			return true;
	return false;
}

static void
append_reinsertion(StringInfo sql, const AppTable *table, int i)
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
		if (app_key_has_column(table, name))
			append_new_value(&expressions, name);
		else
			appendStringInfoString(&expressions, quote_identifier(name));
	}
	table_close(relation, AccessShareLock);

	appendStringInfo(sql, "d%d AS (DELETE FROM %s", i, table->qualified_name);
	append_any_condition(sql, table);
	appendStringInfo(sql, " RETURNING *), t%d AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE"
					 " SELECT %s FROM d%d", i, table->qualified_name, columns.data,
					 expressions.data, i);
}

char *
app_move_statement(const AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfoString(&sql, i > 0 ? ", " : "WITH ");
		if (tables[i].changes_shard)
			append_reinsertion(&sql, &tables[i], i);
		else
		{
			appendStringInfo(&sql, "t%d AS (", i);
			append_update(&sql, &tables[i]);
		}
		appendStringInfoString(&sql, " RETURNING 1)");
	}
	for (i = 0; i < count; i++)
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM t%d)",
						 i > 0 ? ", " : " SELECT ", i);
	return sql.data;
}

char *
app_leftover_statement(const AppTable *tables, int count)
{
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	for (i = 0; i < count; i++)
	{
		appendStringInfo(&sql, "%s(SELECT pg_catalog.count(*) FROM %s",
						 i > 0 ? ", " : "SELECT ", app_table_target(&tables[i]));
		append_any_condition(&sql, &tables[i]);
		appendStringInfoChar(&sql, ')');
	}
	return sql.data;
}
