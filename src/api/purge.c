/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  purge()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "base/raise.h"
#include "domain/purge.h"
#include "funcapi.h"

#define MAX_BATCH_SIZE	100000

PG_FUNCTION_INFO_V1(anon_auth_purge);
Datum
anon_auth_purge(PG_FUNCTION_ARGS)
{
	PurgeCounts counts;
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};

	api_begin_write("purge()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		raise_required(PG_ARGISNULL(0) ? "batch_size" : "dry_run");
	if (PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > MAX_BATCH_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d", MAX_BATCH_SIZE)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	purge_run(PG_GETARG_INT32(0), PG_GETARG_BOOL(1), GetCurrentTimestamp(), &counts);
	values[0] = Int64GetDatum((int64) counts.guests);
	values[1] = Int64GetDatum((int64) counts.skipped_guests);
	values[2] = Int64GetDatum((int64) counts.sessions);
	values[3] = Int64GetDatum((int64) counts.authorization_codes);
	values[4] = Int64GetDatum((int64) counts.one_time_codes);
	values[5] = Int64GetDatum((int64) counts.outbox_messages);
	values[6] = Int64GetDatum((int64) counts.removed_device_keys);
	values[7] = Int64GetDatum((int64) counts.events);
	values[8] = BoolGetDatum(counts.has_more);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
