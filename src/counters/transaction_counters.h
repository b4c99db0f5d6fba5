/*-------------------------------------------------------------------------
 *
 * transaction_counters.h
 *	  Counters and revocations that change when the current transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_TRANSACTION_COUNTERS_H
#define ANON_AUTH_TRANSACTION_COUNTERS_H

#include "postgres.h"

#include "counters/counters.h"
#include "counters/revocations.h"

/* To be called once, when the library is loaded. */
extern void transaction_counters_init(void);

/*
 * Clear a counter when the current transaction commits.  The counter stays if the
 * transaction or the current subtransaction is rolled back, if the transaction is
 * prepared for a two-phase commit, or if the counter expires within a minute.
 */
extern void counter_clear_at_commit(const char *name);

/* True if the current transaction will clear the counter when it commits. */
extern bool counter_is_cleared_at_commit(const char *name);

/*
 * Remove a revocation when the current transaction commits, unless it changes before.
 * It stays in the cases in which a counter does.
 */
extern void revocation_remove_at_commit(const Revocation *revocation);

/*
 * Add to a statistic of committed calls when the current transaction commits, or is
 * prepared for a two-phase commit.  A rollback of the transaction or of the current
 * subtransaction discards the count.
 */
extern void counter_statistic_at_commit(CounterStatistic statistic, uint64 count);

/*
 * Add one to a statistic of calls that were rolled back, if the current transaction or
 * subtransaction rolls back.  Discarded if the transaction is prepared for a two-phase
 * commit.
 */
extern void counter_statistic_at_rollback(CounterStatistic statistic);

#endif							/* ANON_AUTH_TRANSACTION_COUNTERS_H */
