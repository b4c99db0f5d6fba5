/*-------------------------------------------------------------------------
 *
 * result_row.c
 *	  Rows that a SQL function returns, filled in by column name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/result_row.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/memutils.h"

struct ResultRow
{
	TupleDesc	desc;
	Tuplestorestate *store;		/* NULL if the function returns one row */
	Datum	   *values;
	bool	   *nulls;
};

static void
set_all_null(ResultRow *row)
{
	memset(row->nulls, true, sizeof(bool) * row->desc->natts);
}

static ResultRow *
make_row(TupleDesc desc, Tuplestorestate *store)
{
	ResultRow  *row = palloc(sizeof(ResultRow));

	row->desc = desc;
	row->store = store;
	row->values = palloc0(sizeof(Datum) * desc->natts);
	row->nulls = palloc(sizeof(bool) * desc->natts);
	set_all_null(row);
	return row;
}

/*
 * Return the row type of the function's result, for this call.
 *
 * The row type of the last function with OUT parameters is kept: to look it up
 * takes longer than to make a challenge.  It cannot change while the function
 * has its OID.  A named composite type can.  Callers get a copy: while a
 * function runs, a trigger can call another one, which replaces the kept one.
 */
static TupleDesc
result_desc(FunctionCallInfo fcinfo)
{
	static Oid	kept_function = InvalidOid;
	static TupleDesc kept_desc = NULL;
	TupleDesc	desc;
	MemoryContext caller;

	if (kept_function == fcinfo->flinfo->fn_oid && OidIsValid(kept_function))
		return CreateTupleDescCopy(kept_desc);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	if (desc->tdtypeid != RECORDOID)
		return desc;

	caller = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(caller);
	if (kept_desc != NULL)
		FreeTupleDesc(kept_desc);
	kept_desc = desc;
	kept_function = fcinfo->flinfo->fn_oid;
	return CreateTupleDescCopy(kept_desc);
}

ResultRow *
result_row_begin(FunctionCallInfo fcinfo)
{
	return make_row(result_desc(fcinfo), NULL);
}

ResultRow *
result_row_begin_set(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	return make_row(result->setDesc, result->setResult);
}

void
result_row_set(ResultRow *row, const char *column, Datum value)
{
	int			i;

	for (i = 0; i < row->desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(row->desc, i)->attname), column) == 0)
		{
			row->values[i] = value;
			row->nulls[i] = false;
			return;
		}
	elog(ERROR, "the result has no column \"%s\"", column);
}

Datum
result_row_finish(ResultRow *row)
{
	Assert(row->store == NULL);
	return HeapTupleGetDatum(heap_form_tuple(row->desc, row->values, row->nulls));
}

void
result_row_add(ResultRow *row)
{
	Assert(row->store != NULL);
	tuplestore_putvalues(row->store, row->desc, row->values, row->nulls);
	set_all_null(row);
}
