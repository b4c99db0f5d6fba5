/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Counters that no rollback undoes: rate limits, failed attempts, marks of
 *	  refresh tokens that were presented.
 *
 * A counter has a name, of which only a keyed hash is stored, a value, and a
 * time when it expires.  Changes are visible to all backends of the database on
 * this server at once, and stay whatever becomes of the transaction.  The
 * functions work in read-only transactions and on standbys.  Every
 * operation is atomic; no lock outlasts it.
 *
 * Space is bounded.  An expired counter makes room for another one; a live
 * counter is never evicted.  Where there is no room, functions that need a new
 * counter raise AA018, unless they say otherwise.
 *
 * The functions read the clock themselves, once they have the counter: a caller may
 * have waited for a lock since it looked.  A clock that was ahead and has been
 * corrected leaves counters that expire too late.  Functions that take a
 * lifetime cut these to what it allows.  Lifetimes are in microseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COUNTERS_H
#define ANON_AUTH_COUNTERS_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Take one from a limit (GCRA): burst at once, and one more each period / burst.
 * False: nothing was taken, and *wait is for how long.  Period and wait in
 * microseconds.
 */
extern bool counter_take(const char *name, int burst, int64 period, int64 *wait);

/* Undo a take that turned out not to count. */
extern void counter_give_back(const char *name, int burst, int64 period);

/*
 * Add one, and return the new value; 0 instead of an error if there is no room for
 * the counter.  The counter lives for the given time; a live
 * one that would expire sooner does so, unless prolong is true.
 */
extern int64 counter_increment(const char *name, int64 lifetime, bool prolong);

/* Set a counter. */
extern void counter_set(const char *name, int64 value, int64 lifetime);

/*
 * Set a counter, unless it is live and has the value already.  Return for how long
 * it has had it; 0 if it was set.
 */
extern int64 counter_set_once(const char *name, int64 value, int64 lifetime);

/*
 * Return for how long a counter lives, at most the given time; 0 if it is not live.
 * value may be NULL.
 */
extern int64 counter_get(const char *name, int64 lifetime, int64 *value);

extern void counter_clear(const char *name);

/* Flags: counters that hardly ever exist.  They may take all of the room. */
extern void counter_flag(const char *name, int64 lifetime);
extern bool counter_is_flagged(const char *name);

/* False: there is no flag at all. */
extern bool counters_flagged(void);

/* Forget every counter of this database on this server, but no flag. */
extern void counters_reset(void);

/* ---- statistics, which start at 0 when the file is made ---- */

typedef enum CounterStatistic
{
	COUNTER_RATE_LIMITED,		/* calls refused with AA018 */
	COUNTER_LOCKED_OUT,			/* calls refused with AA019 */
	COUNTER_NO_ROOM,			/* new counters refused */
	COUNTER_ROLLED_BACK_LOGINS, /* tokens of a new session issued, then rolled back */
	COUNTER_ROLLED_BACK_REFRESHES,	/* tokens of a refresh issued, then rolled back */
	COUNTER_HASH_MICROSECONDS	/* not a count: how long the last password hash took */
} CounterStatistic;

#define COUNTER_STATISTICS	16

extern void counter_statistic_add(CounterStatistic statistic, uint64 count);
extern void counter_statistic_set(CounterStatistic statistic, uint64 value);
extern uint64 counter_statistic(CounterStatistic statistic);

/* How many counters are live, and how many there can be. */
extern void counters_usage(int64 *live, int64 *size);

#endif							/* ANON_AUTH_COUNTERS_H */
