/*-------------------------------------------------------------------------
 *
 * transaction_counters.h
 *	  Counters that change when the current transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_TRANSACTION_COUNTERS_H
#define ANON_AUTH_TRANSACTION_COUNTERS_H

#include "postgres.h"

#include "counters/counters.h"

/* Called once when the library is loaded. */
extern void transaction_counters_init(void);

/*
 * Clear a counter when the current transaction commits.  If it, or the current
 * subtransaction, rolls back, or if it is prepared for a two-phase commit, the
 * counter stays.
 */
extern void counter_clear_at_commit(const char *name);

/* Whether the current transaction will clear the counter if it commits. */
extern bool counter_is_cleared_at_commit(const char *name);

/* Add one to a statistic if the current transaction or subtransaction rolls back. */
extern void counter_statistic_at_rollback(CounterStatistic statistic);

#endif							/* ANON_AUTH_TRANSACTION_COUNTERS_H */
