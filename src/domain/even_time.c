/*-------------------------------------------------------------------------
 *
 * even_time.c
 *	  Waiting, so that the time a call takes does not tell what it found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/even_time.h"
#include "miscadmin.h"

void
wait_since(const instr_time *begin, int64 microseconds)
{
	for (;;)
	{
		instr_time	passed;
		int64		left;

		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(passed);
		INSTR_TIME_SUBTRACT(passed, *begin);
		left = microseconds - (int64) INSTR_TIME_GET_MICROSEC(passed);
		if (left <= 0)
			return;
		pg_usleep(left);
	}
}
