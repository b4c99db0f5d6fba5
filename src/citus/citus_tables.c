/*-------------------------------------------------------------------------
 *
 * citus_tables.c
 *	  Which tables Citus has distributed.
 *
 * Each statement asks whether the extension's tables are distributed.  The answer
 * is therefore kept until PostgreSQL reports a change of table users, as it does
 * when Citus distributes it.  Citus may not be installed, so its catalog is
 * looked up by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "citus/citus_tables.h"
#include "store/statement.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Its first column is logicalrelid, a regclass. */
#define DISTRIBUTED_TABLES	"pg_dist_partition"
#define DISTRIBUTED_TABLES_RELATION_COLUMN	1

#define DISTRIBUTION_COLUMNS(COLUMN) \
	COLUMN(TEXT, name, "pg_catalog.column_to_column_name(logicalrelid, partkey)")

typedef struct Distribution
{
	DISTRIBUTION_COLUMNS(RECORD_FIELD)
} Distribution;

RECORD_TYPE(distribution, Distribution, DISTRIBUTION_COLUMNS);

static Statement find_column = {
	.sql = "SELECT {distribution} FROM pg_catalog.pg_dist_partition WHERE logicalrelid = :table",
	.row = &distribution_record
};

static Oid	users_id;
static bool distributed;
static uint64 changes = 1;
static uint64 changes_seen = 0;	/* as of which change the two above hold */

static void
note_relation_change(Datum arg, Oid relation_id)
{
	if (relation_id == InvalidOid || relation_id == users_id)
		changes++;
}

void
citus_tables_init(void)
{
	CacheRegisterRelcacheCallback(note_relation_change, (Datum) 0);
}

static bool
catalog_has_table(Oid catalog_id, Oid relation_id)
{
	Relation	catalog = table_open(catalog_id, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, DISTRIBUTED_TABLES_RELATION_COLUMN, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation_id));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/*
 * Opening the catalog can process invalidation messages.  The number of changes is
 * therefore taken before, so that such a message makes the next call look again.
 */
bool
citus_tables_are_distributed(void)
{
	if (changes_seen != changes)
	{
		uint64		changes_before = changes;
		Oid			catalog_id = get_relname_relid(DISTRIBUTED_TABLES, PG_CATALOG_NAMESPACE);

		users_id = get_relname_relid("users", get_namespace_oid("anon_auth", false));
		distributed = OidIsValid(catalog_id) && catalog_has_table(catalog_id, users_id);
		changes_seen = changes_before;
	}
	return distributed;
}

char *
citus_tables_column(Oid relation_id)
{
	Distribution distribution;

	if (!statement_fetch(&find_column, PARAMS(param_oid("table", relation_id)), &distribution))
		return NULL;
	return distribution.name;
}
