/*-------------------------------------------------------------------------
 *
 * key_read.c
 *	  Reading rows by their primary key, without the planner and the executor.
 *
 * This does what an index scan of a SELECT does: it locks the table until the end of the
 * transaction, takes a snapshot, and lets the index and the table take the predicate locks of
 * SERIALIZABLE.  It reads as the owner of the table only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "store/key_read.h"
#include "store/record_codec.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#if PG_VERSION_NUM >= 180000
#define PrimaryKeyIndex(table)	RelationGetPrimaryKeyIndex((table), false)
#define BeginIndexScan(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), NULL, (nkeys), 0)
#else
#define PrimaryKeyIndex(table)	RelationGetPrimaryKeyIndex(table)
#define BeginIndexScan(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), (nkeys), 0)
#endif

struct KeyMap
{
	RecordMap	columns;
	Oid			types[RECORD_MAX_COLUMNS];	/* which can be domains */
};

/* Open a table of the extension, or return NULL in the middle of DROP EXTENSION. */
static Relation
open_table(const char *name, LOCKMODE mode)
{
	Oid			schema_id = get_namespace_oid("anon_auth", true);
	Oid			id = OidIsValid(schema_id) ? get_relname_relid(name, schema_id) : InvalidOid;

	return OidIsValid(id) ? table_open(id, mode) : NULL;
}

/*
 * Whether the table has all rows itself, and the current role is the owner, for whom no
 * privilege or policy has to be checked.
 */
static bool
is_read_by_owner(Relation table)
{
	return table->rd_rel->relkind == RELKIND_RELATION && !table->rd_rel->relhassubclass &&
		table->rd_rel->relowner == GetUserId() && !table->rd_rel->relforcerowsecurity;
}

/*
 * Open an index, or return NULL if it cannot be used.  As the planner does, leave one that may
 * lack rows of older snapshots.
 */
static Relation
open_usable_index(Oid id)
{
	Relation	index = index_open(id, AccessShareLock);

	if (index->rd_index->indisvalid && !index->rd_index->indcheckxmin)
		return index;
	index_close(index, NoLock);
	return NULL;
}

/* Whether the first columns of an index are those of the parameters. */
static bool
is_key_of(Relation table, Relation index, const NamedParam *params)
{
	int			n;

	for (n = 0; params != NULL && params[n].name != NULL; n++)
	{
		AttrNumber	column = n < IndexRelationGetNumberOfKeyAttributes(index) ?
			index->rd_index->indkey.values[n] : InvalidAttrNumber;

		if (column <= 0 || params[n].type != index->rd_opcintype[n] ||
			strcmp(NameStr(TupleDescAttr(RelationGetDescr(table), column - 1)->attname),
				   params[n].name) != 0)
			return false;
	}
	return true;
}

/* Open the index of the primary key if it begins with the columns of params, or return NULL. */
static Relation
open_key(Relation table, const NamedParam *params)
{
	Oid			id = PrimaryKeyIndex(table);
	Relation	index = OidIsValid(id) ? open_usable_index(id) : NULL;

	if (index == NULL || is_key_of(table, index, params))
		return index;
	index_close(index, NoLock);
	return NULL;
}

/* Whether an index has all rows, and begins with a column of type uuid. */
static bool
begins_with(Relation index, AttrNumber column)
{
	return index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indkey.values[0] == column &&
		index->rd_opcintype[0] == UUIDOID &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/* Open an index that begins with a column, or return NULL. */
static Relation
open_index_on(Relation table, const char *column_name)
{
	AttrNumber	column = get_attnum(RelationGetRelid(table), column_name);
	List	   *ids = RelationGetIndexList(table);
	Relation	index = NULL;
	ListCell   *cell;

	foreach(cell, ids)
	{
		index = open_usable_index(lfirst_oid(cell));
		if (index != NULL && begins_with(index, column))
			break;
		if (index != NULL)
			index_close(index, NoLock);
		index = NULL;
	}
	list_free(ids);
	return index;
}

static RegProcedure
equality_of(Oid type)
{
	switch (type)
	{
		case UUIDOID:
			return F_UUID_EQ;
		case TEXTOID:
			return F_TEXTEQ;
		case BYTEAOID:
			return F_BYTEAEQ;
	}
	elog(ERROR, "a key of anon_auth has the type %u", type);
	pg_unreachable();
}

/*
 * Fill the keys of the scan from parameters that fit the index.  Return their number, or -1 if
 * a value is null.
 */
static int
fill_keys(Relation index, const NamedParam *params, ScanKeyData *keys)
{
	int			n;

	for (n = 0; params[n].name != NULL; n++)
	{
		if (params[n].is_null)
			return -1;
		ScanKeyEntryInitialize(&keys[n], 0, n + 1, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[n], equality_of(params[n].type),
							   params[n].value);
	}
	return n;
}

/* Whether the columns are still where they were found: they can be dropped and added again. */
static bool
map_holds(const KeyMap *map, const RecordType *type, TupleDesc desc)
{
	int			count;
	const RecordColumn *columns = type->columns(&count);
	int			i;

	if (map == NULL)
		return false;
	for (i = 0; i < count; i++)
	{
		AttrNumber	number = map->columns.attributes[i];
		Form_pg_attribute attribute;

		if (number > desc->natts)
			return false;
		attribute = TupleDescAttr(desc, number - 1);
		if (strcmp(NameStr(attribute->attname), columns[i].name) != 0 ||
			attribute->atttypid != map->types[i])
			return false;
	}
	return true;
}

/* Make the map again if it does not hold. */
static void
keep_map(KeyMap **map, const RecordType *type, TupleDesc desc)
{
	KeyMap		made;
	bool	   *used;
	int			i;

	if (map_holds(*map, type, desc))
		return;
	used = palloc0(sizeof(bool) * desc->natts);
	record_map_columns(type, desc, used, &made.columns);
	for (i = 0; i < made.columns.count; i++)
		made.types[i] = TupleDescAttr(desc, made.columns.attributes[i] - 1)->atttypid;
	if (*map == NULL)
		*map = MemoryContextAlloc(TopMemoryContext, sizeof(KeyMap));
	**map = made;
}

/* ---- scans ---- */

/* A new statement sees the changes of earlier ones.  A parallel worker cannot have any. */
static Snapshot
new_snapshot(void)
{
	if (IsInParallelMode())
		return GetActiveSnapshot();
	CommandCounterIncrement();
	return GetTransactionSnapshot();
}

pg_noreturn static void
raise_changed_row(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/*
 * Lock the row in the slot, as nodeLockRows.c does, and put its latest version there.
 * Return false if it is gone or skipped.  The latest version has the same key, which the
 * extension never changes.
 */
static bool
lock_row(Relation table, KeyLock lock, Snapshot snapshot, TupleTableSlot *slot)
{
	LockTupleMode mode = lock == KEY_LOCK_KEY_SHARE ? LockTupleKeyShare : LockTupleNoKeyExclusive;
	LockWaitPolicy policy = lock == KEY_LOCK_SKIP_LOCKED ? LockWaitSkip : LockWaitBlock;
	ItemPointerData tid = slot->tts_tid;
	uint8		flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	TM_FailureData failure;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	switch (table_tuple_lock(table, &tid, snapshot, slot, GetCurrentCommandId(false), mode,
							 policy, flags, &failure))
	{
		case TM_Ok:
			return true;
		case TM_SelfModified:
		case TM_WouldBlock:
			return false;
		case TM_Updated:
			raise_changed_row();
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				raise_changed_row();
			return false;
		default:
			elog(ERROR, "a row of table %s could not be locked", RelationGetRelationName(table));
	}
	pg_unreachable();
}

/* Without params, all rows. */
static void
visit_rows(Relation table, Relation index, const NamedParam *params, Snapshot snapshot,
		   KeyLock lock, RowVisitor visit, void *arg)
{
	ScanKeyData keys[INDEX_MAX_KEYS];
	int			nkeys = params == NULL ? 0 : fill_keys(index, params, keys);
	TupleTableSlot *slot;
	IndexScanDesc scan;

	if (nkeys < 0)
		return;
	slot = table_slot_create(table, NULL);
	scan = BeginIndexScan(table, index, snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		if (lock != KEY_LOCK_NONE && !lock_row(table, lock, snapshot, slot))
			continue;
		slot_getallattrs(slot);
		if (!visit(RelationGetDescr(table), slot->tts_values, slot->tts_isnull, arg))
			break;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Visit rows by the index that begins with a column or, if that is NULL, by the primary key.
 * Return false if only a statement can do that.  snapshot NULL is that of a new statement.
 */
static bool
visit_table(const char *name, const char *column, const NamedParam *params, Snapshot snapshot,
			KeyLock lock, RowVisitor visit, void *arg)
{
	Relation	table = NULL;
	Relation	index = NULL;

	if (lock == KEY_LOCK_NONE || !XactReadOnly)
		table = open_table(name, lock == KEY_LOCK_NONE ? AccessShareLock : RowShareLock);
	if (table == NULL)
		return false;
	if (is_read_by_owner(table))
		index = column != NULL ? open_index_on(table, column) : open_key(table, params);
	if (index != NULL)
	{
		snapshot = RegisterSnapshot(snapshot != NULL ? snapshot : new_snapshot());
		visit_rows(table, index, params, snapshot, lock, visit, arg);
		UnregisterSnapshot(snapshot);
		index_close(index, NoLock);
	}
	table_close(table, NoLock);
	return index != NULL;
}

bool
key_read_visit(const char *table, const NamedParam *params, Snapshot snapshot, RowVisitor visit,
			   void *arg)
{
	return visit_table(table, NULL, params, snapshot, KEY_LOCK_NONE, visit, arg);
}

/* ---- records ---- */

typedef struct Reading
{
	const RecordType *type;
	KeyMap	  **map;
	KeyRows    *found;
} Reading;

/* Return whether there is room for a row, which may have been made. */
static bool
make_room(KeyRows *found, size_t size)
{
	if (found->count < found->room)
		return true;
	if (!found->grows)
		return false;
	found->room = Max(4, 2 * found->room);
	found->rows = found->rows == NULL ? palloc(size * found->room) :
		repalloc(found->rows, size * found->room);
	return true;
}

/* A RowVisitor: append a row to those of a Reading. */
static bool
read_row(TupleDesc desc, const Datum *values, const bool *nulls, void *arg)
{
	Reading    *reading = arg;
	KeyRows    *found = reading->found;
	size_t		size = reading->type->size;

	if (found->count == 0)
		keep_map(reading->map, reading->type, desc);
	if (!make_room(found, size))
		return false;
	record_decode(reading->type, &(*reading->map)->columns, values, nulls,
				  found->rows + found->count * size);
	found->count++;
	return found->grows || found->count < found->room;
}

bool
key_read(const char *table, KeyLock lock, const RecordType *type, KeyMap **map,
		 const NamedParam *params, KeyRows *found)
{
	Reading		reading = {type, map, found};

	return visit_table(table, NULL, params, NULL, lock, read_row, &reading);
}

/* A RowVisitor: note that there is a row. */
static bool
note_row(TupleDesc desc, const Datum *values, const bool *nulls, void *arg)
{
	*(bool *) arg = true;
	return false;
}

bool
key_read_may_find_user(const char *table, const pg_uuid_t *user_id)
{
	bool		found = false;

	return !visit_table(table, "user_id", PARAMS(param_uuid("user_id", user_id)), NULL,
						KEY_LOCK_NONE, note_row, &found) || found;
}
