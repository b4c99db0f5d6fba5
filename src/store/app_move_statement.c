/*-------------------------------------------------------------------------
 *
 * app_move_statement.c
 *	  The statements that app_move.c runs, as text.
 *
 * A key may consist of several columns, and keys may share one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "lib/stringinfo.h"
#include "store/app_move_statement.h"
#include "utils/builtins.h"
#include "utils/rel.h"

int
user_value_index(const UserValues *values, const char *column)
{
	int			i;

	for (i = 0; i < values->count; i++)
		if (strcmp(values->columns[i], column) == 0)
			return i;
	return -1;
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
						 user_value_index(values, key->user_columns[c]) + 1);
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
							 user_value_index(values, table->keys[k].user_columns[c]));
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

bool
app_key_has_column(const AppTable *table, const char *column)
{
	int			k;
	int			c;

	for (k = 0; k < table->nkeys; k++)
		for (c = 0; c < table->keys[k].ncolumns; c++)
			if (strcmp(table->keys[k].columns[c], column) == 0)
				return true;
	return false;
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
		if (app_key_has_column(table, name))
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

char *
app_move_statement(const AppTable *tables, int count, const UserValues *values)
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

char *
app_leftover_statement(const AppTable *tables, int count, const UserValues *values)
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
