/*-------------------------------------------------------------------------
 *
 * distribution.c
 *	  Whether the tables are spread over nodes by Citus.
 *
 * Asked at every statement, so the answer is kept until PostgreSQL says that
 * the users' table has changed, as it does when it is distributed.  Citus may
 * not be there at all: its catalog is looked up by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "store/distribution.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Its first column is logicalrelid, a regclass. */
#define DISTRIBUTED_TABLES	"pg_dist_partition"
#define DISTRIBUTED_TABLES_RELATION_COLUMN	1

static StoreStatement find_column = {
	.sql = "SELECT pg_catalog.column_to_column_name(logicalrelid, partkey)"
	" FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1",
	.nparams = 1,
	.types = {OIDOID}
};

static Oid	users_id;
static bool distributed;
static uint64 changes = 1;
static uint64 changes_seen = 0;	/* as of which change distributed holds */

static void
forget(Datum arg, Oid relation_id)
{
	if (relation_id == InvalidOid || relation_id == users_id)
		changes++;
}

void
distribution_init(void)
{
	CacheRegisterRelcacheCallback(forget, (Datum) 0);
}

static bool
find_in_catalog(Oid catalog_id, Oid relation_id)
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

bool
store_is_distributed(void)
{
	if (changes_seen != changes)
	{
		uint64		changes_before = changes;
		Oid			catalog_id = get_relname_relid(DISTRIBUTED_TABLES, PG_CATALOG_NAMESPACE);

		users_id = get_relname_relid("users", get_namespace_oid("anon_auth", false));
		distributed = OidIsValid(catalog_id) && find_in_catalog(catalog_id, users_id);
		changes_seen = changes_before;
	}
	return distributed;
}

char *
store_distribution_column(Oid relation_id)
{
	Datum		params[1] = {ObjectIdGetDatum(relation_id)};
	StoreRow	row;

	if (!store_is_distributed() || store_run(&find_column, params, NULL, &row) == 0)
		return NULL;
	return store_text(&row, 0);
}

/*
 * Citus divides the range of PostgreSQL's hash function among the shards, so
 * rows whose hashes begin alike are together, up to 256 shards, and mostly
 * where their number is no power of two.
 */
static unsigned
hash_beginning(const pg_uuid_t *id)
{
	return DatumGetUInt32(hash_any(id->data, UUID_LEN)) >> 24;
}

pg_uuid_t
new_user_id(const pg_uuid_t *route, TimestampTz now)
{
	pg_uuid_t	id = uuid_new_v7(now);
	uint32		random;

	if (route == NULL || !store_is_distributed())
		return id;
	memcpy(&random, id.data + UUID_LEN - sizeof(random), sizeof(random));
	while (hash_beginning(&id) != hash_beginning(route))
	{
		random++;
		memcpy(id.data + UUID_LEN - sizeof(random), &random, sizeof(random));
	}
	return id;
}
