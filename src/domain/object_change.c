/*-------------------------------------------------------------------------
 *
 * object_change.c
 *	  Whether a change of the catalog concerns objects of the extension.
 *
 * A change concerns the extension if it alters or drops a member, attaches an object to
 * a table or type of the extension, or puts an object into one of its schemas.  This is
 * decided for each class of the catalog.  An unknown class counts if its object depends
 * on a table or type of the extension.
 *
 * The functions are called right after the catalog has changed, when only SnapshotSelf
 * sees the new rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "domain/object_change.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Classes of objects that belong to one table.  table_column contains its OID. */
static const struct TablePart
{
	Oid			class_id;
	Oid			index_id;
	AttrNumber	id_column;
	AttrNumber	table_column;
}			table_parts[] =
{
	{AttrDefaultRelationId, AttrDefaultOidIndexId, Anum_pg_attrdef_oid, Anum_pg_attrdef_adrelid},
	{ConstraintRelationId, ConstraintOidIndexId, Anum_pg_constraint_oid, Anum_pg_constraint_conrelid},
	{IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, Anum_pg_index_indrelid},
	{PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, Anum_pg_policy_polrelid},
	{RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, Anum_pg_rewrite_ev_class},
	{StatisticExtRelationId, StatisticExtOidIndexId, Anum_pg_statistic_ext_oid, Anum_pg_statistic_ext_stxrelid},
	{TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, Anum_pg_trigger_tgrelid},
};

/* Return a copy of a row of a catalog, including changes of this command, or NULL. */
static HeapTuple
fetch_row(Relation catalog, Oid index_id, AttrNumber id_column, Oid id)
{
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&scan_key, id_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(id));
	scan = systable_beginscan(catalog, index_id, true, SnapshotSelf, 1, &scan_key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		row = heap_copytuple(row);
	systable_endscan(scan);
	return row;
}

/* Return an OID column of a row of a catalog, or InvalidOid. */
static Oid
fetch_oid(Oid class_id, Oid index_id, AttrNumber id_column, Oid id, AttrNumber column)
{
	Relation	catalog = table_open(class_id, AccessShareLock);
	HeapTuple	row = fetch_row(catalog, index_id, id_column, id);
	Oid			result = InvalidOid;

	if (HeapTupleIsValid(row))
	{
		bool		is_null;
		Datum		value = heap_getattr(row, column, RelationGetDescr(catalog), &is_null);

		result = is_null ? InvalidOid : DatumGetObjectId(value);
	}
	table_close(catalog, AccessShareLock);
	return result;
}

/* Return whether part_extensions() lists the extension: anon_auth, or one that adds to it. */
static bool
is_part(Oid extension_id)
{
	char	   *name = OidIsValid(extension_id) ? get_extension_name(extension_id) : NULL;

	return name != NULL &&
		(strcmp(name, "anon_auth") == 0 || strncmp(name, "anon_auth_", strlen("anon_auth_")) == 0);
}

Oid
object_change_extension(Oid class_id, Oid id)
{
	if (class_id == ExtensionRelationId)
		return id;
	return OidIsValid(id) ? getExtensionOfObject(class_id, id) : InvalidOid;
}

/* Return whether an object belongs to anon_auth or to an extension that adds to it. */
static bool
is_member(Oid class_id, Oid id)
{
	return is_part(object_change_extension(class_id, id));
}

/*
 * Return whether a type belongs to the extension.  The row type of a table and array types
 * count, although they are not members themselves.
 */
static bool
is_type_of_extension(Oid type_id)
{
	Oid			element_id = get_element_type(type_id);
	Oid			table_id;

	if (OidIsValid(element_id))
		type_id = element_id;
	table_id = get_typ_typrelid(type_id);
	return is_member(RelationRelationId, table_id) || is_member(TypeRelationId, type_id);
}

/* If the table belongs to the extension, set *changed to it and return true. */
static bool
changes_table(Oid table_id, ObjectAddress *changed)
{
	if (!is_member(RelationRelationId, table_id))
		return false;
	ObjectAddressSet(*changed, RelationRelationId, table_id);
	return true;
}

/* If the type belongs to the extension, set *changed to it and return true. */
static bool
changes_type(Oid type_id, ObjectAddress *changed)
{
	if (!OidIsValid(type_id) || !is_type_of_extension(type_id))
		return false;
	ObjectAddressSet(*changed, TypeRelationId, type_id);
	return true;
}

/*
 * If the schema of a new or changed object belongs to the extension, set *changed to it and
 * return true.  In such a schema, a function or operator with the same name and other
 * arguments could be called instead of the extension's.
 */
static bool
changes_schema(const ObjectChange *change, ObjectAddress *changed)
{
	Oid			class_id = change->object.classId;
	AttrNumber	column;
	Oid			schema_id;

	if (change->access == OAT_DROP || !is_objectclass_supported(class_id))
		return false;
	column = get_object_attnum_namespace(class_id);
	if (column == InvalidAttrNumber)
		return false;
	schema_id = fetch_oid(class_id, get_object_oid_index(class_id), get_object_attnum_oid(class_id),
						  change->object.objectId, column);
	if (!is_member(NamespaceRelationId, schema_id))
		return false;
	ObjectAddressSet(*changed, NamespaceRelationId, schema_id);
	return true;
}

/*
 * Return whether other roles may create such a relation in a schema of the extension: tables,
 * indexes and sequences run no code.  Citus creates shards there.
 */
static bool
may_be_in_schema(char relation_kind)
{
	switch (relation_kind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
		case RELKIND_SEQUENCE:
		case RELKIND_TOASTVALUE:
			return true;
		default:
			return false;
	}
}

static bool
relation_changes(const ObjectChange *change, ObjectAddress *changed)
{
	Oid			id = change->object.objectId;
	Relation	catalog;
	HeapTuple	row;
	char		kind;

	catalog = table_open(RelationRelationId, AccessShareLock);
	row = fetch_row(catalog, ClassOidIndexId, Anum_pg_class_oid, id);
	table_close(catalog, AccessShareLock);
	if (!HeapTupleIsValid(row))
		return false;
	kind = ((Form_pg_class) GETSTRUCT(row))->relkind;
	/* REINDEX CONCURRENTLY copies the definition of an index. */
	if (kind == RELKIND_INDEX && change->access == OAT_POST_CREATE && change->is_reindex)
		return false;
	if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
		return changes_table(fetch_oid(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid,
									   id, Anum_pg_index_indrelid), changed);
	return !may_be_in_schema(kind) && changes_schema(change, changed);
}

static bool
type_changes(const ObjectChange *change, ObjectAddress *changed)
{
	Relation	catalog = table_open(TypeRelationId, AccessShareLock);
	HeapTuple	row = fetch_row(catalog, TypeOidIndexId, Anum_pg_type_oid, change->object.objectId);
	char		kind = HeapTupleIsValid(row) ? ((Form_pg_type) GETSTRUCT(row))->typtype : TYPTYPE_BASE;

	table_close(catalog, AccessShareLock);
	/* PostgreSQL creates row types and array types with their relation or type. */
	return kind != TYPTYPE_COMPOSITE && kind != TYPTYPE_BASE && changes_schema(change, changed);
}

static bool
constraint_changes(const ObjectChange *change, ObjectAddress *changed)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	HeapTuple	row = fetch_row(catalog, ConstraintOidIndexId, Anum_pg_constraint_oid, change->object.objectId);
	Form_pg_constraint constraint;

	table_close(catalog, AccessShareLock);
	if (!HeapTupleIsValid(row))
		return false;
	constraint = (Form_pg_constraint) GETSTRUCT(row);
	if (changes_table(constraint->conrelid, changed) ||
		changes_type(constraint->contypid, changed))
		return true;
	/* foreign_keys.c checks foreign keys to users. */
	if (change->access == OAT_POST_CREATE && constraint->contype == CONSTRAINT_FOREIGN &&
		is_member(RelationRelationId, constraint->confrelid) &&
		constraint->confrelid != get_relname_relid("users", get_namespace_oid("anon_auth", false)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may reference tables of extension anon_auth, except users"),
				 errdetail("PostgreSQL would run the triggers of table \"%s\" with the rights of whoever deletes or changes a row of table \"%s\".",
						   get_rel_name(constraint->conrelid), get_rel_name(constraint->confrelid))));
	return false;
}

/*
 * Internal triggers are not reported: a foreign key to users creates them on users, and
 * they run only code of PostgreSQL.
 */
static bool
trigger_changes(const ObjectChange *change, ObjectAddress *changed)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple	row = fetch_row(catalog, TriggerOidIndexId, Anum_pg_trigger_oid, change->object.objectId);
	Form_pg_trigger trigger;

	table_close(catalog, AccessShareLock);
	if (!HeapTupleIsValid(row))
		return false;
	trigger = (Form_pg_trigger) GETSTRUCT(row);
	return !trigger->tgisinternal && changes_table(trigger->tgrelid, changed);
}

/*
 * If a new or changed object depends on a table or type of the extension, set *changed to it
 * and return true.  This decides for casts and for all classes without a rule of their own.
 */
static bool
depends_on_extension(const ObjectChange *change, ObjectAddress *changed)
{
	Relation	catalog;
	ScanKeyData scan_keys[2];
	SysScanDesc scan;
	HeapTuple	row;
	bool		found = false;

	if (change->access == OAT_DROP)
		return false;
	catalog = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&scan_keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(change->object.classId));
	ScanKeyInit(&scan_keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(change->object.objectId));
	scan = systable_beginscan(catalog, DependDependerIndexId, true, SnapshotSelf, 2, scan_keys);
	while (!found && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(row);

		if (depend->refclassid == RelationRelationId)
			found = changes_table(depend->refobjid, changed);
		else if (depend->refclassid == TypeRelationId)
			found = changes_type(depend->refobjid, changed);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
object_change_concerns_extension(const ObjectChange *change, ObjectAddress *changed)
{
	Oid			class_id = change->object.classId;
	Oid			id = change->object.objectId;
	int			i;

	*changed = change->object;
	if (class_id == InheritsRelationId)
		return changes_table(id, changed) || changes_table(change->parent_id, changed);
	/* For a new default, PostgreSQL passes the id of the table. */
	if (class_id == AttrDefaultRelationId && change->access == OAT_POST_CREATE)
		return changes_table(id, changed);
	if ((class_id == RelationRelationId || class_id == IndexRelationId) && change->is_internal)
		return false;
	if (is_member(class_id, id))
		return true;
	switch (class_id)
	{
		case RelationRelationId:
			return relation_changes(change, changed);
		case TypeRelationId:
			return type_changes(change, changed);
		case ConstraintRelationId:
			return constraint_changes(change, changed);
		case TriggerRelationId:
			return trigger_changes(change, changed);
		case ProcedureRelationId:
			return changes_schema(change, changed);
		case PublicationRelRelationId:
			/* Row filters can call only built-in immutable functions. */
			return false;
	}
	if (changes_schema(change, changed))
		return true;
	for (i = 0; i < lengthof(table_parts); i++)
	{
		if (table_parts[i].class_id == class_id)
			return changes_table(fetch_oid(class_id, table_parts[i].index_id, table_parts[i].id_column, id,
										   table_parts[i].table_column), changed);
	}
	return depends_on_extension(change, changed);
}
