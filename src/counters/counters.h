/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Counters that a rollback does not undo: rate limits, failed attempts, and
 *	  marks of refresh tokens that were presented.
 *
 * A counter has a name, a value and a time at which it expires.  Only a keyed hash
 * of the name is stored.  A change is visible at once to all backends of the
 * database on this server, and stays if the transaction is rolled back.  The
 * functions work in read-only transactions and on standbys, where counters are
 * separate from those of the primary.  Every operation is atomic and releases its
 * lock before it returns.
 *
 * Space is bounded (anon_auth.counter_cells).  An expired counter makes room for
 * another one; a live counter is never evicted.  If there is no room for a new
 * counter, functions raise AA018 unless their comment says otherwise.  All
 * functions raise the error of the system call if the file of the counters cannot
 * be made or mapped.
 *
 * The functions read the clock after they have locked the counter, since they may
 * wait for that lock.  If the clock was ahead and has been corrected, counters
 * expire too late.  Functions with a lifetime then shorten the counter's life to
 * it.  Lifetimes are in microseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COUNTERS_H
#define ANON_AUTH_COUNTERS_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Take one from a limit (generic cell rate algorithm): burst at once, and one more
 * every period / burst.  Returns false if the limit is reached; *wait is then the
 * time until the next take succeeds.  Also returns false if there is no room for the
 * counter; *wait is then COUNTER_WAIT_UNKNOWN.  Times are in microseconds.
 */
#define COUNTER_WAIT_UNKNOWN	(-1)
extern bool counter_take(const char *name, int burst, int64 period, int64 *wait);

/* Undo a take that must not count after all.  Never raises AA018. */
extern void counter_give_back(const char *name, int burst, int64 period);

/*
 * Add one and return the new value, or 0 if there is no room for the counter.  A new
 * counter lives for the given time.  A live one keeps its time of expiry if that is
 * sooner, unless prolong is true.
 */
extern int64 counter_increment(const char *name, int64 lifetime, bool prolong);

/*
 * Same, for a mark that something was used: a counter of which a client can make as many as it
 * wants.  Marks have room of their own, so they leave the room of limits alone.  A
 * mark and a counter of the same name are different.
 */
extern int64 counter_mark(const char *name, int64 lifetime);

/* Undo an increment that must not count after all.  Never raises AA018. */
extern void counter_decrement(const char *name);

/* Set a counter that then lives for the given time. */
extern void counter_set(const char *name, int64 value, int64 lifetime);

/*
 * Set a counter unless it is live and has the value.  Returns the time since it was
 * set to the value, in microseconds; 0 if it was set now.
 */
extern int64 counter_set_once(const char *name, int64 value, int64 lifetime);

/*
 * Return how long a counter will live, at most the given time; 0 if it is not live.
 * Sets *value if the counter is live and value is not NULL.
 */
extern int64 counter_get(const char *name, int64 lifetime, int64 *value);

/* Let a counter expire now. */
extern void counter_clear(const char *name);

/* Let all counters of this database on this server expire. */
extern void counters_reset(void);

/*
 * Statistics are numbers that never expire.  They start at 0 when the file of the
 * counters is made.  A value is an index in that file: a new one, or a change of the
 * order, is a change of its layout (counter_file.c).
 */

typedef enum CounterStatistic
{
	/* Committed calls: counter_statistic_at_commit() */
	COUNTER_SIGN_UPS,
	COUNTER_DEVICE_KEY_LOGINS,
	COUNTER_PASSWORD_LOGINS,
	COUNTER_ID_TOKEN_LOGINS,
	COUNTER_CODE_LOGINS,
	COUNTER_PASSKEY_LOGINS,
	COUNTER_REFRESHES,
	COUNTER_PROMOTIONS,
	COUNTER_MERGES,
	COUNTER_PURGED_GUESTS,
	COUNTER_PURGED_SESSIONS,

	/* Calls that were rolled back: counter_statistic_at_rollback() */
	COUNTER_ROLLED_BACK_LOGINS, /* tokens of a new session issued */
	COUNTER_ROLLED_BACK_REFRESHES,	/* tokens of a refresh issued */

	/* Counted at once */
	COUNTER_RATE_LIMITED,		/* calls refused with AA018 */
	COUNTER_LOCKED_OUT,			/* calls refused with AA019 */
	COUNTER_NO_ROOM,			/* new counters refused */
	COUNTER_WRONG_CREDENTIALS,	/* logins with a password that returned no row */
	COUNTER_UNHASHED_LOGINS,	/* those for which settings.unknown_login_ids_per_minute forbade a hash */
	COUNTER_WRONG_CODES,		/* one-time codes that did not match */
	COUNTER_REUSED_REFRESH_TOKENS,
	COUNTER_REUSED_AUTHORIZATION_CODES,
	COUNTER_REUSED_ID_TOKENS,
	COUNTER_HASH_MICROSECONDS,	/* not a count: how long the last password hash took */

	/* Calls refused by a rate limit: by RateLimitCode of base/detail_codes.h */
	COUNTER_FIRST_LIMIT = 32,

	/* Errors of class AA, by the number in their SQLSTATE: refusals.h */
	COUNTER_FIRST_ERROR = 64
} CounterStatistic;

#define COUNTER_LIMITS			(COUNTER_FIRST_ERROR - COUNTER_FIRST_LIMIT)
#define COUNTER_ERRORS			64
#define COUNTER_STATISTICS		(COUNTER_FIRST_ERROR + COUNTER_ERRORS)

extern void counter_statistic_add(CounterStatistic statistic, uint64 count);
extern void counter_statistic_set(CounterStatistic statistic, uint64 value);
extern uint64 counter_statistic(CounterStatistic statistic);

/* Count the live counters and the space for counters.  Takes no locks. */
extern void counters_usage(int64 *live, int64 *size);

#endif							/* ANON_AUTH_COUNTERS_H */
