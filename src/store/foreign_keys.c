/*-------------------------------------------------------------------------
 *
 * foreign_keys.c
 *	  The foreign keys to anon_auth.users, as the catalog has them now.
 *
 * The catalog is scanned with the catalog snapshot, which is independent of the
 * isolation level.  SPI would use the transaction's snapshot at REPEATABLE READ, and miss
 * a key that was committed later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "store/foreign_keys.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static object_access_hook_type previous_hook = NULL;

/* Return anon_auth.users, or InvalidOid while the extension is being created. */
static Oid
users_table(void)
{
	Oid			schema_id = get_namespace_oid("anon_auth", true);

	return OidIsValid(schema_id) ? get_relname_relid("users", schema_id) : InvalidOid;
}

void
foreign_keys_hold(void)
{
	Oid			users_id = users_table();

	if (!OidIsValid(users_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table anon_auth.users does not exist")));
	LockRelationOid(users_id, RowExclusiveLock);
}

/* Since PostgreSQL 18, a foreign key can be NOT ENFORCED. */
static bool
is_enforced(Form_pg_constraint constraint)
{
#if PG_VERSION_NUM >= 180000
	return constraint->conenforced;
#else
	return true;
#endif
}

/* Read a row of pg_constraint. */
static ForeignKey *
read_key(HeapTuple tuple)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	ForeignKey *key = palloc0(sizeof(ForeignKey));
	int			count;
	AttrNumber	columns[INDEX_MAX_KEYS];
	AttrNumber	user_columns[INDEX_MAX_KEYS];

	key->id = constraint->oid;
	key->table_id = constraint->conrelid;
	key->parent_id = constraint->conparentid;
	key->name = pstrdup(NameStr(constraint->conname));
	key->delete_action = constraint->confdeltype;
	DeconstructFkConstraintRow(tuple, &count, columns, user_columns, NULL, NULL, NULL, NULL, NULL);
	if (count == 1 && user_columns[0] == get_attnum(constraint->confrelid, "id"))
		key->column = columns[0];
	return key;
}

/*
 * A key with a column of a domain over uuid is not plain either: the domain has another
 * type OID, so PostgreSQL would run a cast.
 */
bool
foreign_key_is_plain(const ForeignKey *key)
{
	return key->column != 0 && get_atttype(key->table_id, key->column) == UUIDOID;
}

/*
 * Add the partitions, on any level, that DETACH CONCURRENTLY has hidden.  Statements on
 * the partitioned table do not reach their rows, but their foreign keys still hold.
 */
static List *
add_detaching(List *detaching, Oid table_id)
{
	Relation	relation = table_open(table_id, AccessShareLock);
	PartitionDesc partitions;
	int			i;

	if (relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
	{
		table_close(relation, AccessShareLock);
		return detaching;
	}
	partitions = RelationGetPartitionDesc(relation, false);
	for (i = 0; i < partitions->nparts; i++)
	{
		if (partitions->detached_exist && PartitionHasPendingDetach(partitions->oids[i]))
			detaching = list_append_unique_oid(detaching, partitions->oids[i]);
		if (!partitions->is_leaf[i])
			detaching = add_detaching(detaching, partitions->oids[i]);
	}
	table_close(relation, AccessShareLock);
	return detaching;
}

/*
 * Return the keys without those that partitions inherit.  The keys of partitions that
 * DETACH CONCURRENTLY has hidden are kept.
 */
static List *
effective_keys(List *keys)
{
	List	   *detaching = NIL;
	List	   *effective = NIL;
	ListCell   *cell;

	foreach(cell, keys)
	{
		ForeignKey *key = lfirst(cell);

		if (!OidIsValid(key->parent_id))
		{
			effective = lappend(effective, key);
			detaching = add_detaching(detaching, key->table_id);
		}
	}
	foreach(cell, keys)
	{
		ForeignKey *key = lfirst(cell);

		if (OidIsValid(key->parent_id) && list_member_oid(detaching, key->table_id))
			effective = lappend(effective, key);
	}
	return effective;
}

/*
 * PostgreSQL replaces the catalog snapshot only after an invalidation message, so pending
 * messages are accepted first.
 */
List *
foreign_keys_to_users(void)
{
	Oid			users_id = users_table();
	Oid			extension_id = get_extension_oid("anon_auth", false);
	Relation	catalog;
	ScanKeyData scan_keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *keys = NIL;

	AcceptInvalidationMessages();
	ScanKeyInit(&scan_keys[0], Anum_pg_constraint_contype, BTEqualStrategyNumber, F_CHAREQ,
				CharGetDatum(CONSTRAINT_FOREIGN));
	ScanKeyInit(&scan_keys[1], Anum_pg_constraint_confrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(users_id));
	catalog = table_open(ConstraintRelationId, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 2, scan_keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);

		if (is_enforced(constraint) &&
			getExtensionOfObject(RelationRelationId, constraint->conrelid) != extension_id)
			keys = lappend(keys, read_key(tuple));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return effective_keys(keys);
}

/* Raise the error for a new key that is not plain. */
pg_noreturn static void
refuse_key(const ForeignKey *key)
{
	char	   *table = get_rel_name(key->table_id);

	if (key->column == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign key \"%s\" of table \"%s\" must refer to column id of anon_auth.users alone",
						key->name, table)));
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("foreign key \"%s\" of table \"%s\" must have a column of type uuid", key->name,
					table),
			 errdetail("PostgreSQL would run a cast to uuid with the rights of the owner of anon_auth.users."),
			 errhint("Domains over uuid are refused, too: use a CHECK constraint instead.")));
}

/*
 * Refuse a new foreign key to users that is not plain.  PostgreSQL calls the hook
 * before it checks the rows of the table, which would run a cast.  Only SnapshotSelf
 * sees the row of the constraint then.
 */
static void
check_new_constraint(Oid id)
{
	Oid			users_id = users_table();
	Relation	catalog;
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(users_id))
		return;
	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyInit(&scan_key, Anum_pg_constraint_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(id));
	scan = systable_beginscan(catalog, ConstraintOidIndexId, true, SnapshotSelf, 1, &scan_key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);

		if (constraint->contype == CONSTRAINT_FOREIGN && constraint->confrelid == users_id)
		{
			ForeignKey *key = read_key(tuple);

			if (!foreign_key_is_plain(key))
				refuse_key(key);
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* The object access hook.  PostgreSQL calls it for every change of the catalog. */
static void
check_new_object(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_hook != NULL)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_POST_CREATE && class_id == ConstraintRelationId)
		check_new_constraint(object_id);
}

void
foreign_keys_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = check_new_object;
}
