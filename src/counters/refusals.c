/*-------------------------------------------------------------------------
 *
 * refusals.c
 *	  Counts of the errors of class AA, in the statistics of counters.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "counters/counters.h"
#include "counters/refusals.h"

/* Return the number in the last three characters of a SQLSTATE. */
static int
number_of(int sqlstate)
{
	return PGUNSIXBIT(sqlstate >> 12) * 100 + PGUNSIXBIT(sqlstate >> 18) * 10 +
		PGUNSIXBIT(sqlstate >> 24) - '0' * 111;
}

/* Return the statistic of an error, or -1 if it is not of class AA. */
static int
statistic_of(int sqlstate)
{
	int			number;

	if (ERRCODE_TO_CATEGORY(sqlstate) != ERRCODE_TO_CATEGORY(ERRCODE_AA_INVALID_CLIENT))
		return -1;
	number = number_of(sqlstate);
	Assert(number >= 0 && number < COUNTER_ERRORS);
	return COUNTER_FIRST_ERROR + number;
}

static void
count_refusal(int sqlstate)
{
	int			statistic = statistic_of(sqlstate);

	if (statistic >= 0)
		counter_statistic_add(statistic, 1);
}

uint64
refusals_count(int sqlstate)
{
	return counter_statistic(statistic_of(sqlstate));
}

void
refusals_init(void)
{
	error_set_observer(count_refusal);
}
