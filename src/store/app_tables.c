/*-------------------------------------------------------------------------
 *
 * app_tables.c
 *	  Tables of the application: those with a foreign key to anon_auth.users.
 *
 * The catalog is read again for each deletion and merge.  A cached list could miss a
 * table that was created or attached later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "store/app_tables.h"
#include "store/foreign_keys.h"
#include "store/placement.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static int
compare_oids(const ListCell *a, const ListCell *b)
{
	return lfirst_oid(a) < lfirst_oid(b) ? -1 : lfirst_oid(a) > lfirst_oid(b);
}

/* Return ids in ascending order, so that two deletions lock tables in the same order. */
static List *
ids_of_tables(List *keys)
{
	List	   *ids = NIL;
	ListCell   *cell;

	foreach(cell, keys)
		ids = list_append_unique_oid(ids, ((ForeignKey *) lfirst(cell))->table_id);
	list_sort(ids, compare_oids);
	return ids;
}

/* Return whether an action of a foreign key prevents deletion of the referenced row. */
static bool
action_restricts(char delete_action)
{
	return delete_action == FKCONSTR_ACTION_NOACTION || delete_action == FKCONSTR_ACTION_RESTRICT;
}

/*
 * Lock a table as PostgreSQL's DELETE of a user would: ROW EXCLUSIVE if one of its
 * keys has an action, ROW SHARE if all of them restrict.
 */
static void
lock_table(Oid id, List *keys, bool moving)
{
	LOCKMODE	mode = moving ? RowExclusiveLock : RowShareLock;
	ListCell   *cell;

	foreach(cell, keys)
	{
		ForeignKey *key = lfirst(cell);

		if (key->table_id == id && !action_restricts(key->delete_action))
			mode = RowExclusiveLock;
	}
	LockRelationOid(id, mode);
}

/*
 * Raise 0A000 for a key that is not plain (foreign_keys.h).  Such a key exists only if
 * the check in foreign_keys.c was not active when it was created.
 */
pg_noreturn static void
refuse_key(const AppTable *table, const ForeignKey *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign key \"%s\" of table %s must refer to the id of users with one column of type uuid",
					key->name, table->qualified_name),
			 errhint("Drop it: it was created while event triggers were disabled. anon_auth.doctor() lists such keys.")));
}

/* A function that was dropped meanwhile counts as not belonging to a superuser. */
static bool
function_is_of_superuser(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = superuser_arg(((Form_pg_proc) GETSTRUCT(tuple))->proowner);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Raise 42501 if a trigger of a superuser's table calls a function of another role.
 *
 * Statements on a table run as its owner, and so do its triggers.  Any client can cause
 * a merge.  A role with the privilege TRIGGER on a superuser's table could otherwise
 * make its own function run as that superuser.
 */
static void
refuse_foreign_triggers(const AppTable *table, Oid id)
{
	Relation	relation = table_open(id, AccessShareLock);
	TriggerDesc *triggers = relation->trigdesc;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!trigger->tgisinternal && trigger->tgenabled != TRIGGER_DISABLED &&
			!function_is_of_superuser(trigger->tgfoid))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("trigger \"%s\" of table %s would run as a superuser",
							trigger->tgname, table->qualified_name),
					 errdetail("The table belongs to a superuser, and the trigger's function to another role."),
					 errhint("Transfer the table to a role that is not a superuser: ALTER TABLE %s OWNER TO ...",
							 table->qualified_name)));
	}
	table_close(relation, AccessShareLock);
}

/* Check the triggers of a table and of its partitions, which fire, too. */
static void
check_triggers(const AppTable *table)
{
	ListCell   *cell;

	if (!superuser_arg(table->owner))
		return;
	foreach(cell, find_all_inheritors(table->id, AccessShareLock, NULL))
		refuse_foreign_triggers(table, lfirst_oid(cell));
}

/* Fill table from the catalog.  The table is locked; keys are those of all tables. */
static void
fill_table(AppTable *table, Oid id, List *keys)
{
	Relation	relation = table_open(id, NoLock);
	ListCell   *cell;

	table->id = id;
	table->owner = relation->rd_rel->relowner;
	table->schema = get_namespace_name(RelationGetNamespace(relation));
	table->name = pstrdup(RelationGetRelationName(relation));
	table->qualified_name = quote_qualified_identifier(table->schema, table->name);
	table->partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	table_close(relation, NoLock);
	check_triggers(table);

	table->keys = palloc0(sizeof(AppKey) * list_length(keys));
	foreach(cell, keys)
	{
		ForeignKey *key = lfirst(cell);
		AppKey	   *app_key = &table->keys[table->nkeys];

		if (key->table_id != id)
			continue;
		if (!foreign_key_is_plain(key))
			refuse_key(table, key);
		app_key->id = key->id;
		app_key->constraint = key->name;
		app_key->column = get_attname(id, key->column, false);
		app_key->delete_action = key->delete_action;
		table->nkeys++;
	}
}

/* Mark a table, and the tables of the list that its foreign keys reference, as linked. */
static void
mark_linked(AppTable *table, AppTable *tables, int count)
{
	Relation	relation = table_open(table->id, NoLock);
	ListCell   *cell;
	int			i;

	foreach(cell, RelationGetFKeyList(relation))
	{
		ForeignKeyCacheInfo *key = lfirst_node(ForeignKeyCacheInfo, cell);

		for (i = 0; i < count; i++)
			if (tables[i].id == key->confrelid)
				table->linked = tables[i].linked = true;
	}
	table_close(relation, NoLock);
}

/*
 * Order by owner, then unlinked tables before linked ones, then by id.  The linked
 * tables of an owner are then adjacent, as app_tables_linked() requires.
 */
static int
compare_tables(const void *a, const void *b)
{
	const AppTable *one = a;
	const AppTable *other = b;

	if (one->owner != other->owner)
		return one->owner < other->owner ? -1 : 1;
	if (one->linked != other->linked)
		return one->linked ? 1 : -1;
	return one->id < other->id ? -1 : one->id > other->id;
}

/*
 * Tables are locked before they are described: the description then holds until the end
 * of the transaction.
 */
AppTable *
app_tables_find(bool moving, int *count)
{
	List	   *keys = foreign_keys_to_users();
	List	   *ids = ids_of_tables(keys);
	AppTable   *tables = palloc0(sizeof(AppTable) * Max(list_length(ids), 1));
	ListCell   *cell;
	int			i;

	*count = 0;
	foreach(cell, ids)
	{
		lock_table(lfirst_oid(cell), keys, moving);
		fill_table(&tables[(*count)++], lfirst_oid(cell), keys);
	}
	for (i = 0; *count > 1 && i < *count; i++)
		mark_linked(&tables[i], tables, *count);
	qsort(tables, *count, sizeof(AppTable), compare_tables);
	placement_current()->check_app_tables(tables, *count);
	return tables;
}

/* Keys are compared in order: the catalog is scanned in the same order each time. */
static bool
have_same_keys(const AppTable *a, const AppTable *b)
{
	int			k;

	if (a->id != b->id || a->owner != b->owner || a->nkeys != b->nkeys)
		return false;
	for (k = 0; k < a->nkeys; k++)
		if (a->keys[k].id != b->keys[k].id)
			return false;
	return true;
}

bool
app_tables_unchanged(bool moving, const AppTable *tables, int count)
{
	int			now_count;
	AppTable   *now = app_tables_find(moving, &now_count);
	int			i;

	if (now_count != count)
		return false;
	for (i = 0; i < count; i++)
		if (!have_same_keys(&tables[i], &now[i]))
			return false;
	return true;
}

void
app_tables_raise_unstable(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the foreign keys to anon_auth.users keep changing"),
			 errdetail("A trigger of a referencing table makes or drops one each time that rows are changed.")));
}

char *
app_tables_names(const AppTable *tables, int count)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < count; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", tables[i].qualified_name);
	return names.data;
}

/* Tables of several owners cannot change in one statement, which runs as one role. */
int
app_tables_linked(const AppTable *tables, int count, int first)
{
	int			n = 1;

	while (tables[first].linked && first + n < count && tables[first + n].linked &&
		   tables[first + n].owner == tables[first].owner)
		n++;
	return n;
}

bool
app_tables_key_restricts(const AppKey *key)
{
	return action_restricts(key->delete_action);
}

/*
 * Children by inheritance do not have the foreign key of their parent, so ONLY excludes
 * them.  Partitions do have it, and they contain the rows of a partitioned table.
 */
char *
app_tables_target(const AppTable *table)
{
	return psprintf("%s%s", table->partitioned ? "" : "ONLY ", table->qualified_name);
}
