/*-------------------------------------------------------------------------
 *
 * refusals.h
 *	  Counts of the errors of class AA, in the statistics of counters.h.
 *
 * An error is counted when it is raised, so a rollback does not undo the count.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REFUSALS_H
#define ANON_AUTH_REFUSALS_H

#include "postgres.h"

/* To be called once, when the library is loaded. */
extern void refusals_init(void);

/* Return how many errors with a SQLSTATE of class AA were raised. */
extern uint64 refusals_count(int sqlstate);

#endif							/* ANON_AUTH_REFUSALS_H */
