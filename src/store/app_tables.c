/*-------------------------------------------------------------------------
 *
 * app_tables.c
 *	  Finding the tables that reference users, and becoming their owners.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "store/app_tables_private.h"
#include "store/distribution.h"
#include "store/statement.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/*
 * A partition inherits the foreign keys of its table, which is what counts.
 * The extension's own tables are looked after by itself.
 */
static StoreStatement find_keys = {
	.sql = "WITH key AS (SELECT c.* FROM pg_catalog.pg_constraint c"
	"  WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::pg_catalog.regclass"
	"  AND c.conparentid = 0 AND NOT EXISTS"
	"  (SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"
	"   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.conrelid"
	"   AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
	"   AND d.deptype = 'e' AND e.extname = 'anon_auth')),"
	" linked AS (SELECT c.conrelid, c.confrelid FROM pg_catalog.pg_constraint c"
	"  WHERE c.contype = 'f' AND c.conrelid IN (SELECT conrelid FROM key)"
	"  AND c.confrelid IN (SELECT conrelid FROM key))"
	" SELECT r.oid, r.relowner, n.nspname::text, r.relname::text, r.relkind = 'p',"
	" EXISTS (SELECT 1 FROM linked l WHERE r.oid IN (l.conrelid, l.confrelid)) AS is_linked,"
	" k.conname::text, k.confdeltype,"
	" ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(num, place)"
	"  JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num"
	"  ORDER BY u.place),"
	" ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(num, place)"
	"  JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num"
	"  ORDER BY u.place),"
	" ARRAY(SELECT a.attname::text"
	"  FROM pg_catalog.unnest(COALESCE(k.confdelsetcols, k.conkey)) u(num)"
	"  JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num)"
	" FROM key k JOIN pg_catalog.pg_class r ON r.oid = k.conrelid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace"
	" ORDER BY r.relowner, is_linked, r.oid, k.conname"
};

static char **
names(Datum array, int *count)
{
	Datum	   *items;
	char	  **result;
	int			i;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &items, NULL, count);
	result = palloc(sizeof(char *) * Max(*count, 1));
	for (i = 0; i < *count; i++)
		result[i] = TextDatumGetCString(items[i]);
	return result;
}

static void
fill_table(AppTable *table, const StoreRow *row)
{
	table->id = DatumGetObjectId(row->values[0]);
	table->owner = DatumGetObjectId(row->values[1]);
	table->schema = store_text(row, 2);
	table->name = store_text(row, 3);
	table->qualified_name = quote_qualified_identifier(table->schema, table->name);
	table->partitioned = DatumGetBool(row->values[4]);
	table->linked = DatumGetBool(row->values[5]);
}

static void
add_key(AppTable *table, const StoreRow *row)
{
	AppKey	   *key = &table->keys[table->nkeys++];

	key->constraint = store_text(row, 6);
	key->delete_action = DatumGetChar(row->values[7]);
	key->columns = names(row->values[8], &key->ncolumns);
	key->user_columns = names(row->values[9], &key->ncolumns);
	key->set_columns = names(row->values[10], &key->nset_columns);
}

/*
 * Citus reaches a shard as one role within a transaction, and the users' rows are
 * reached as the extension's owner.
 */
static void
require_one_owner(const AppTable *tables, int count)
{
	int			i;

	for (i = 0; i < count; i++)
		if (tables[i].owner != GetUserId() && store_distribution_column(tables[i].id) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("distributed table %s must belong to the owner of anon_auth",
							tables[i].qualified_name),
					 errhint("ALTER TABLE %s OWNER TO %s;", tables[i].qualified_name,
							 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

AppTable *
app_tables_find(int *count)
{
	int			nrows;
	StoreRow   *rows = store_run_rows(&find_keys, NULL, NULL, &nrows);
	AppTable   *tables = palloc0(sizeof(AppTable) * Max(nrows, 1));
	int			i;

	*count = 0;
	for (i = 0; i < nrows; i++)
	{
		if (*count == 0 || tables[*count - 1].id != DatumGetObjectId(rows[i].values[0]))
		{
			fill_table(&tables[*count], &rows[i]);
			tables[*count].keys = palloc0(sizeof(AppKey) * (nrows - i));
			(*count)++;
		}
		add_key(&tables[*count - 1], &rows[i]);
	}
	if (store_is_distributed())
		require_one_owner(tables, *count);
	return tables;
}

/*
 * SECURITY_RESTRICTED_OPERATION keeps triggers from changing what would outlive
 * this: a role, a prepared statement, what runs at commit.  The owner's own
 * policies must hide no row, or it would be lost with the guest.
 */
void
app_owner_enter(StoreOwnerScope *scope, Oid owner)
{
	GetUserIdAndSecContext(&scope->user_id, &scope->sec_context);
	SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	scope->guc_nest_level = NewGUCNestLevel();
}

void
app_owner_leave(StoreOwnerScope *scope)
{
	store_leave_owner(scope);
}

/*
 * Deferred triggers are the caller's, who must not change what we run after
 * them: not as whom, and not with which parameters.
 */
void
app_constraints_immediate(void)
{
	StoreOwnerScope scope;
	int			code;

	GetUserIdAndSecContext(&scope.user_id, &scope.sec_context);
	SetUserIdAndSecContext(GetOuterUserId(),
						   scope.sec_context | SECURITY_LOCAL_USERID_CHANGE);
	scope.guc_nest_level = NewGUCNestLevel();
	SPI_connect();
	code = SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
	if (code != SPI_OK_UTILITY)
		elog(ERROR, "could not check the constraints: %s", SPI_result_code_string(code));
	SPI_finish();
	store_leave_owner(&scope);
}

char *
app_table_names(const AppTable *tables, int count)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < count; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", tables[i].qualified_name);
	return names.data;
}

int
app_tables_linked(const AppTable *tables, int count, int first)
{
	int			n = 1;

	while (tables[first].linked && first + n < count && tables[first + n].linked &&
		   tables[first + n].owner == tables[first].owner)
		n++;
	return n;
}

const char *
app_key_id_column(const AppTable *table, const AppKey *key)
{
	int			i;

	for (i = 0; i < key->ncolumns; i++)
		if (strcmp(key->user_columns[i], "id") == 0)
			return key->columns[i];
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign key \"%s\" of table %s does not refer to the id of users",
					key->constraint, table->qualified_name)));
	return NULL;
}

static bool
restricts(const AppKey *key)
{
	return key->delete_action == 'a' || key->delete_action == 'r';
}

static void
add_users_with_rows(const AppTable *table, const char *column, ArrayType *users,
					ArrayBuildState **found)
{
	StoreOwnerScope scope;
	Oid			types[1] = {UUIDARRAYOID};
	Datum		params[1] = {PointerGetDatum(users)};
	MemoryContext context = CurrentMemoryContext;
	char	   *sql = psprintf("SELECT DISTINCT %s::pg_catalog.uuid FROM %s%s"
							   " WHERE %s OPERATOR(pg_catalog.=) ANY ($1)",
							   quote_identifier(column), table->partitioned ? "" : "ONLY ",
							   table->qualified_name, quote_identifier(column));
	uint64		i;

	app_owner_enter(&scope, table->owner);
	SPI_connect();
	if (app_statement_run(table, 1, sql, 1, types, params, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", table->qualified_name);
	for (i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		Datum		id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);

		*found = accumArrayResult(*found, id, is_null, UUIDOID, context);
	}
	SPI_finish();
	app_owner_leave(&scope);
}

ArrayType *
app_tables_users_with_rows(const AppTable *tables, int count, ArrayType *users,
						   bool restricting_only)
{
	ArrayBuildState *found = NULL;
	int			i;
	int			k;

	for (i = 0; i < count; i++)
		for (k = 0; k < tables[i].nkeys; k++)
			if (!restricting_only || restricts(&tables[i].keys[k]))
				add_users_with_rows(&tables[i],
									app_key_id_column(&tables[i], &tables[i].keys[k]),
									users, &found);
	return found == NULL ? construct_empty_array(UUIDOID) :
		DatumGetArrayTypeP(makeArrayResult(found, CurrentMemoryContext));
}
