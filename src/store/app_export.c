/*-------------------------------------------------------------------------
 *
 * app_export.c
 *	  The rows of the application's tables that reference a user, as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "json/json_write.h"
#include "store/app_export.h"
#include "store/app_statement.h"
#include "store/app_tables.h"
#include "utils/builtins.h"

/* A row that refers to the user by several keys is there once. */
static char *
statement_of(const AppTable *table)
{
	StringInfoData sql;
	int			k;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.to_jsonb(t.*) FROM %s t WHERE", app_tables_target(table));
	for (k = 0; k < table->nkeys; k++)
		appendStringInfo(&sql, "%s t.%s OPERATOR(pg_catalog.=) $1", k > 0 ? " OR" : "",
						 quote_identifier(table->keys[k].column));
	return sql.data;
}

/* json was allocated outside of SPI's memory, where it grows. */
static void
add_rows(StringInfo json, const AppTable *table, const pg_uuid_t *user_id)
{
	OwnerScope	scope;
	Oid			type = UUIDOID;
	Datum		id = UUIDPGetDatum(user_id);
	char	   *sql = statement_of(table);
	uint64		i;

	app_statement_enter_owner(&scope, table->owner);
	SPI_connect();
	if (app_statement_run(table, 1, sql, 1, &type, &id, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", table->qualified_name);
	for (i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		Datum		row = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);

		appendStringInfo(json, "%s%s", i > 0 ? "," : "", json_from_jsonb(DatumGetJsonbP(row)));
	}
	SPI_finish();
	app_statement_leave_owner(&scope);
}

void
app_export_add(StringInfo json, const pg_uuid_t *user_id)
{
	int			count;
	AppTable   *tables = app_tables_find(false, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(json, ',');
		json_append_string(json, psprintf("%s.%s", tables[i].schema, tables[i].name));
		appendStringInfoChar(json, ':');
		json_open_array(json);
		add_rows(json, &tables[i], user_id);
		json_close_array(json);
	}
}
