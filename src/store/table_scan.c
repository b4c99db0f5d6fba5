/*-------------------------------------------------------------------------
 *
 * table_scan.c
 *	  Reading rows of a small table by its key, or all of them, without a plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "store/placement.h"
#include "store/table_scan.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The snapshot that statement.c would use for the statement; registered. */
static Snapshot
take_snapshot(const TableScan *scan, const CacheStamp *stamp)
{
	if (stamp != NULL && stamp->outlives_statement)
		return RegisterSnapshot(GetLatestSnapshot());
	if (scan->statement->read_only || IsInParallelMode())
		return RegisterSnapshot(GetActiveSnapshot());
	CommandCounterIncrement();
	return RegisterSnapshot(GetTransactionSnapshot());
}

/* Make the condition key = value. */
static void
make_condition(const TableScan *scan, Relation relation, const char *value, ScanKey condition)
{
	TupleDesc	desc = RelationGetDescr(relation);
	int			i;

	for (i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), scan->key) == 0)
			break;
	if (i == desc->natts || TupleDescAttr(desc, i)->atttypid != TEXTOID)
		elog(ERROR, "table \"%s\" has no column \"%s\" of type text",
			 RelationGetRelationName(relation), scan->key);
	ScanKeyEntryInitialize(condition, 0, i + 1, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(desc, i)->attcollation, F_TEXTEQ,
						   CStringGetTextDatum(value));
}

/* The index of the primary key, or InvalidOid. */
static Oid
find_primary_key(Relation relation)
{
	list_free(RelationGetIndexList(relation));
	return relation->rd_pkindex;
}

/* systable_beginscan() also reads tables that are no catalogs, with any MVCC snapshot. */
static void
scan_relation(const TableScan *scan, Relation relation, const char *value, Snapshot snapshot,
			  RowVisitor visit, void *arg)
{
	TupleDesc	desc = RelationGetDescr(relation);
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	Oid			index = InvalidOid;
	ScanKeyData condition;
	SysScanDesc rows;
	HeapTuple	tuple;

	if (value != NULL)
	{
		make_condition(scan, relation, value, &condition);
		index = find_primary_key(relation);
	}
	rows = systable_beginscan(relation, index, OidIsValid(index), snapshot,
							  value != NULL ? 1 : 0, &condition);
	while (HeapTupleIsValid(tuple = systable_getnext(rows)))
	{
		heap_deform_tuple(tuple, desc, values, nulls);
		visit(desc, values, nulls, arg);
	}
	systable_endscan(rows);
}

static void
run_statement(const TableScan *scan, const char *value, const CacheStamp *stamp, RowVisitor visit,
			  void *arg)
{
	if (value == NULL)
		statement_visit_stamped(scan->statement, NO_PARAMS, stamp, visit, arg);
	else
		statement_visit_stamped(scan->statement, PARAMS(param_text(scan->key, value)), stamp, visit,
								arg);
}

/* Without the table, as in the middle of DROP EXTENSION, the statement raises the error. */
void
table_scan(const TableScan *scan, const char *value, const CacheStamp *stamp, RowVisitor visit,
		   void *arg)
{
	Oid			id = placement_is_local() ? cached_table_id(scan->table) : InvalidOid;
	Relation	relation;
	Snapshot	snapshot;

	Assert((scan->key == NULL) == (value == NULL));
	if (!OidIsValid(id))
	{
		run_statement(scan, value, stamp, visit, arg);
		return;
	}
	relation = table_open(id, AccessShareLock);
	snapshot = take_snapshot(scan, stamp);
	scan_relation(scan, relation, value, snapshot, visit, arg);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
}
