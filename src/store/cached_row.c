/*-------------------------------------------------------------------------
 *
 * cached_row.c
 *	  A row of a table that hardly ever changes, kept in this backend.
 *
 * The values are kept as PostgreSQL has them, and decoded for each caller: a struct that
 * callers shared would change under one of them when another one reads the row again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/cached_row.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* A value outside of the row would be gone once the table has another one. */
static Datum
copy_value(Form_pg_attribute attribute, Datum value)
{
	if (attribute->attlen == -1)
		return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	return datumCopy(value, attribute->attbyval, attribute->attlen);
}

/* A RowVisitor: keep a row in a CachedRow. */
static bool
keep_row(TupleDesc desc, const Datum *values, const bool *nulls, void *arg)
{
	CachedRow  *cached = arg;
	MemoryContext caller = MemoryContextSwitchTo(cached->context);
	int			i;

	cached->values = palloc0(sizeof(Datum) * desc->natts);
	cached->nulls = palloc(sizeof(bool) * desc->natts);
	for (i = 0; i < desc->natts; i++)
	{
		cached->nulls[i] = nulls[i];
		if (!nulls[i])
			cached->values[i] = copy_value(TupleDescAttr(desc, i), values[i]);
	}
	cached->desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(caller);
	return false;
}

static void
read_row(CachedRow *cached, CachedTable table, Statement *statement, const NamedParam *params)
{
	static uint64 readings = 0;
	CacheStamp	stamp = cache_stamp_take(table);

	if (cached->context == NULL)
		cached->context = AllocSetContextCreate(TopMemoryContext, "anon_auth row",
												ALLOCSET_SMALL_SIZES);
	memset(&cached->stamp, 0, sizeof(CacheStamp));
	cached->desc = NULL;
	MemoryContextReset(cached->context);
	statement_visit_stamped(statement, params, &stamp, keep_row, cached);
	cached->reading = ++readings;
	cached->stamp = stamp;
}

/* Find the columns of a view in a row. */
static void
map_view(RowView *view, const CachedRow *cached)
{
	bool	   *used = palloc0(sizeof(bool) * cached->desc->natts);

	view->reading = 0;			/* the next line can raise an error */
	record_map_columns(view->type, cached->desc, used, &view->map);
	view->reading = cached->reading;
	pfree(used);
}

bool
cached_row_fetch(CachedRow *cached, CachedTable table, Statement *statement,
				 const NamedParam *params, RowView *view, void *row)
{
	if (!cache_stamp_holds(&cached->stamp, table))
		read_row(cached, table, statement, params);
	if (cached->desc == NULL)
		return false;
	if (view->reading != cached->reading)
		map_view(view, cached);
	record_decode(view->type, &view->map, cached->values, cached->nulls, row);
	return true;
}
