/*-------------------------------------------------------------------------
 *
 * cached_table.c
 *	  Telling whether cached rows of a table are still those of the table.
 *
 * Each table has a version in this backend.  Every invalidation increases it, and a stamp
 * holds as long as the version is that of the stamp.
 *
 * A stamp is taken in an order that loses no change: accept invalidations, note the
 * version, take a snapshot, read.  A transaction that commits before the snapshot is seen
 * by it; one that commits later sends its invalidation after that.  With the transaction's
 * own snapshot, which can be older, an old row could be kept for good.
 *
 * A function of the command that writes a row can read it before the trigger fires.  If
 * the command then fails, no invalidation was queued.  So rows are kept for one statement
 * only while the transaction can still undo its own changes of the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "store/cached_table.h"
#include "storage/lmgr.h"
#include "store/placement.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const char *const table_names[CACHED_TABLES] = {
	[CACHED_SETTINGS] = "settings",
	[CACHED_CLIENTS] = "clients",
	[CACHED_SIGNING_KEYS] = "signing_keys"
};

/* The first version is 1, so that a stamp of zeros never holds. */
static struct
{
	Oid			relation_id;
	uint64		version;
}			tables[CACHED_TABLES];

/* The callback of relcache invalidations.  InvalidOid stands for all relations. */
static void
increase_version(Datum arg, Oid relation_id)
{
	int			i;

	for (i = 0; i < CACHED_TABLES; i++)
		if (!OidIsValid(relation_id) || tables[i].relation_id == relation_id)
			tables[i].version++;
}

void
cached_tables_init(void)
{
	increase_version((Datum) 0, InvalidOid);
	CacheRegisterRelcacheCallback(increase_version, (Datum) 0);
}

/*
 * Whether this transaction may have changed a table: each change takes RowExclusiveLock.  The
 * lock for reading is kept, so that the snapshot is taken after it.  An older snapshot sees an
 * empty table if another transaction has rewritten or refilled it in between.
 */
static bool
changed_here(Oid relation_id)
{
	Relation	relation = table_open(relation_id, AccessShareLock);
	bool		changed = CheckRelationLockedByMe(relation, RowExclusiveLock, true);

	table_close(relation, NoLock);
	return changed;
}

CacheStamp
cache_stamp_take(CachedTable table)
{
	CacheStamp	stamp;
	Oid			relation_id;

	AcceptInvalidationMessages();
	relation_id = get_relname_relid(table_names[table], get_namespace_oid("anon_auth", false));
	tables[table].relation_id = relation_id;
	stamp.version = tables[table].version;
	stamp.outlives_statement = OidIsValid(relation_id) && placement_is_local() &&
		!IsInParallelMode() && !changed_here(relation_id);
	statement_stamp_set(&stamp.statement);
	return stamp;
}

bool
cache_stamp_holds(CacheStamp *stamp, CachedTable table)
{
	if (stamp->version != tables[table].version)
		return false;
	if (statement_stamp_holds(&stamp->statement))
		return true;
	if (!stamp->outlives_statement || !placement_is_local())
		return false;
	AcceptInvalidationMessages();
	if (stamp->version != tables[table].version)
		return false;
	statement_stamp_set(&stamp->statement);
	return true;
}

TimestampTz
cache_stamp_checked_at(const CacheStamp *stamp)
{
	return stamp->statement.read_at;
}

bool
cache_stamp_is_of_statement(const CacheStamp *stamp)
{
	return statement_stamp_is_of_statement(&stamp->statement);
}

void
cached_table_forget(CachedTable table)
{
	tables[table].version++;
}

/*
 * Other functions of the same command already read the rows again, although PostgreSQL
 * delivers the invalidation after it.
 */
void
cached_table_changed(Relation relation)
{
	increase_version((Datum) 0, RelationGetRelid(relation));
	CacheInvalidateRelcache(relation);
}
