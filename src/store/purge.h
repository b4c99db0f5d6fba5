/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  What purge() asks of the tables.
 *
 * Guests are handled as arrays of ids, uuid[].  with_key says of which kind:
 * those that can log in with a device key, or those that cannot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PURGE_H
#define ANON_AUTH_PURGE_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/timestamp.h"

/* What is deleted by its time alone. */
typedef enum PurgeKind
{
	PURGE_AUTHORIZATION_CODES,	/* expired, as the next two */
	PURGE_ONE_TIME_CODES,
	PURGE_OUTBOX_MESSAGES,
	PURGE_REMOVED_DEVICE_KEYS,	/* removed */
	PURGE_EVENTS				/* created */
} PurgeKind;

extern int	purge_count(const ArrayType *ids);
extern ArrayType *purge_subtract(ArrayType *ids, ArrayType *others);

/* Those whose purge_from is past, the oldest first. */
extern ArrayType *purge_due_guests(bool with_key, TimestampTz before, int limit);

/* The parts in which guests are locked and deleted; see Placement.users_per_lock. */
extern ArrayType **purge_batches(ArrayType *ids, int *count);

/* Holds guests for deletion, and returns those that nobody else holds. */
extern ArrayType *purge_lock_guests(bool with_key, ArrayType *ids);

/*
 * Moves purge_from of guests that are in use, and returns them: without a key,
 * those with a session that lives after the given time; with one, those that
 * have been seen since.
 */
extern ArrayType *purge_postpone_used(bool with_key, ArrayType *ids, TimestampTz since);
extern void purge_postpone(ArrayType *ids, TimestampTz until);

/*
 * Each deletes at most so many rows (with Citus, what is due of so many users), and
 * returns how many.  A session that has been refreshed since is only looked at;
 * more: the limit was reached.
 */
extern uint64 purge_sessions(TimestampTz now, int limit, bool *more);
extern uint64 purge_rows(PurgeKind kind, TimestampTz before, int limit);

/* The operations of placement.h where this database has all rows. */
extern ArrayType *purge_lock_device_keys_locally(ArrayType *users);
extern uint64 purge_sessions_locally(TimestampTz now, int limit, bool *more);
extern uint64 purge_rows_locally(PurgeKind kind, TimestampTz before, int limit);

#endif							/* ANON_AUTH_PURGE_H */
