/*-------------------------------------------------------------------------
 *
 * app_rows.c
 *	  Rows of the application's tables that reference users.
 *
 * Statements run as the owner of each table.  The snapshot is explicit where the answer
 * must not depend on the isolation level: a row that the transaction does not see would
 * be deleted or orphaned unnoticed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "store/app_rows.h"
#include "store/app_statement.h"
#include "store/owner_scope.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/*
 * Run a SELECT as the table's owner that returns a number.  It is read-only for SPI, so
 * that SPI uses the active snapshot and takes none itself.
 */
static uint64
read_number(const AppTable *table, const char *sql, ArrayType *users, Snapshot snapshot)
{
	OwnerScope scope;
	Oid			type = UUIDARRAYOID;
	Datum		ids = PointerGetDatum(users);
	bool		is_null;
	uint64		number;

	app_statement_enter_owner(&scope, table->owner);
	PushActiveSnapshot(snapshot);
	SPI_connect();
	if (app_statement_run(table, 1, sql, 1, &type, &ids, NULL, true) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read %s", table->qualified_name);
	number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	PopActiveSnapshot();
	app_statement_leave_owner(&scope);
	return number;
}

/* LIMIT ends the scan at the first row; count() gives one row in any case. */
bool
app_rows_exist(const AppTable *table, const AppKey *key, ArrayType *users, Snapshot snapshot)
{
	const char *sql = psprintf("SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s"
							   " WHERE %s OPERATOR(pg_catalog.=) ANY ($1) LIMIT 1) r",
							   app_tables_target(table), quote_identifier(key->column));

	return read_number(table, sql, users, snapshot) > 0;
}

static uint64
count_rows(const AppTable *table, const AppKey *key, ArrayType *users, Snapshot snapshot)
{
	const char *sql = psprintf("SELECT pg_catalog.count(*) FROM %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)",
							   app_tables_target(table), quote_identifier(key->column));

	return read_number(table, sql, users, snapshot);
}

/*
 * The numbers of rows are compared, because the rows themselves cannot be: a row of the
 * latest snapshot may be another version of a row that the transaction sees.
 */
void
app_rows_refuse_unseen(const AppTable *tables, int count, ArrayType *users, bool moving)
{
	Snapshot	latest;
	int			i;
	int			k;

	if (!IsolationUsesXactSnapshot())
		return;
	CommandCounterIncrement();
	latest = RegisterSnapshot(GetLatestSnapshot());
	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
		{
			const AppKey *key = &tables[i].keys[k];

			if ((moving || !app_tables_key_restricts(key)) &&
				count_rows(&tables[i], key, users, latest) !=
				count_rows(&tables[i], key, users, GetTransactionSnapshot()))
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to concurrent update")));
		}
	UnregisterSnapshot(latest);
}

/* Add the users that have rows by this key; a user may be added several times. */
static void
add_users_with_rows(const AppTable *table, const AppKey *key, ArrayType *users,
					ArrayBuildState **found)
{
	OwnerScope scope;
	Oid			type = UUIDARRAYOID;
	Datum		ids = PointerGetDatum(users);
	MemoryContext context = CurrentMemoryContext;
	const char *column = quote_identifier(key->column);
	char	   *sql = psprintf("SELECT DISTINCT %s FROM %s WHERE %s OPERATOR(pg_catalog.=) ANY ($1)",
							   column, app_tables_target(table), column);
	uint64		i;

	app_statement_enter_owner(&scope, table->owner);
	SPI_connect();
	if (app_statement_run(table, 1, sql, 1, &type, &ids, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", table->qualified_name);
	for (i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		Datum		id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);

		*found = accumArrayResult(*found, id, is_null, UUIDOID, context);
	}
	SPI_finish();
	app_statement_leave_owner(&scope);
}

ArrayType *
app_rows_find_users(ArrayType *users, bool restricting_only)
{
	ArrayBuildState *found = NULL;
	int			count;
	AppTable   *tables = app_tables_find(false, &count);
	int			i;
	int			k;

	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			if (!restricting_only || app_tables_key_restricts(&tables[i].keys[k]))
				add_users_with_rows(&tables[i], &tables[i].keys[k], users, &found);
	return found == NULL ? construct_empty_array(UUIDOID) :
		DatumGetArrayTypeP(makeArrayResult(found, CurrentMemoryContext));
}
