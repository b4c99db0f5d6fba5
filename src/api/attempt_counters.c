/*-------------------------------------------------------------------------
 *
 * attempt_counters.c
 *	  take_rate_limit(), reset_counters(), counter_statistics()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "base/raise.h"
#include "counters/counters.h"
#include "funcapi.h"

/* Microseconds; raises 22023 where they do not make a period. */
static int64
get_period(FunctionCallInfo fcinfo, int argument)
{
	Interval   *period;
	int64		microseconds;

	if (PG_ARGISNULL(argument))
		raise_required("period");
	period = PG_GETARG_INTERVAL_P(argument);
	microseconds = period->day * USECS_PER_DAY + period->time;
	if (period->month != 0 || period->day < 0 || period->day > 1 ||
		microseconds < USECS_PER_SEC || microseconds > USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period must be between 1 second and 1 day")));
	return microseconds;
}

PG_FUNCTION_INFO_V1(anon_auth_take_rate_limit);
Datum
anon_auth_take_rate_limit(PG_FUNCTION_ARGS)
{
	char	   *name = api_required_text(fcinfo, 0, "name");
	int64		wait;

	if (PG_ARGISNULL(1))
		raise_required("max_count");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_count must be at least 1")));

	/* The prefix keeps limits of applications apart from those of the extension. */
	PG_RETURN_BOOL(counter_take(psprintf("application/%s", name), PG_GETARG_INT32(1),
								get_period(fcinfo, 2), &wait));
}

PG_FUNCTION_INFO_V1(anon_auth_reset_counters);
Datum
anon_auth_reset_counters(PG_FUNCTION_ARGS)
{
	counters_reset();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_counter_statistics);
Datum
anon_auth_counter_statistics(PG_FUNCTION_ARGS)
{
	static const CounterStatistic shown[] = {
		COUNTER_NO_ROOM, COUNTER_RATE_LIMITED, COUNTER_LOCKED_OUT,
		COUNTER_ROLLED_BACK_LOGINS, COUNTER_ROLLED_BACK_REFRESHES
	};
	TupleDesc	desc;
	Datum		values[2 + lengthof(shown)];
	bool		nulls[2 + lengthof(shown)] = {false};
	int64		live;
	int64		size;
	int			i;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	counters_usage(&live, &size);
	values[0] = Int64GetDatum(live);
	values[1] = Int64GetDatum(size);
	for (i = 0; i < lengthof(shown); i++)
		values[2 + i] = Int64GetDatum((int64) counter_statistic(shown[i]));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
