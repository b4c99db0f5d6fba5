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
 * counter raise AA018.
 *
 * A clock that was ahead and has been corrected leaves counters that expire too
 * late.  Functions therefore take the latest possible time, and use it instead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COUNTERS_H
#define ANON_AUTH_COUNTERS_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Take one from a limit (GCRA): burst at once, and one more each period / burst.
 * False: nothing was taken, and *conforms_at is when a take can succeed.  Period
 * in microseconds.
 */
extern bool counter_take(const char *name, int burst, int64 period, TimestampTz now,
						 TimestampTz *conforms_at);

/* Undo a take that turned out not to count. */
extern void counter_give_back(const char *name, int burst, int64 period, TimestampTz now);

/*
 * Add one, and return the new value.  The counter expires at the given time; a live
 * one that would expire sooner does so, unless prolong is true.
 */
extern int64 counter_increment(const char *name, TimestampTz expires_at, bool prolong,
							   TimestampTz now);

/* Set a counter. */
extern void counter_set(const char *name, int64 value, TimestampTz expires_at, TimestampTz now);

/* Set a counter that is not live, and return value; else return the value it has. */
extern int64 counter_set_once(const char *name, int64 value, TimestampTz expires_at,
							  TimestampTz now);

/*
 * Return when a counter expires, at the latest at a given time; 0 where it is not
 * live.  value may be NULL.
 */
extern TimestampTz counter_get(const char *name, TimestampTz latest, TimestampTz now,
							   int64 *value);

extern void counter_clear(const char *name);

/* Flags: counters that hardly ever exist. */
extern void counter_flag(const char *name, TimestampTz expires_at, TimestampTz now);
extern bool counter_is_flagged(const char *name, TimestampTz now);

/* False: there is no flag at all. */
extern bool counters_flagged(TimestampTz now);

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
extern void counters_usage(TimestampTz now, int64 *live, int64 *size);

#endif							/* ANON_AUTH_COUNTERS_H */
