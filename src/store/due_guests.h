/*-------------------------------------------------------------------------
 *
 * due_guests.h
 *	  Guests that purge() deletes.
 *
 * Guests are passed as arrays of ids, uuid[].  with_key tells the two kinds apart:
 * guests that can log in with a device key, and guests that cannot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DUE_GUESTS_H
#define ANON_AUTH_DUE_GUESTS_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/timestamp.h"

extern int	due_guests_count(const ArrayType *guests);

/* Return the guests that are not among the others. */
extern ArrayType *due_guests_subtract(ArrayType *guests, ArrayType *others);

/* Return the guests whose purge_from is before a time, the oldest first.  No lock. */
extern ArrayType *due_guests_find(bool with_key, TimestampTz before, int limit);

/* Divide guests into parts of Placement.users_per_lock.  Returns the parts. */
extern ArrayType **due_guests_divide(ArrayType *guests, int *count);

/*
 * Lock the device keys and the rows of guests for deletion, and return the guests that
 * no other transaction holds and that are of this kind still.
 */
extern ArrayType *due_guests_lock(bool with_key, ArrayType *guests);

/*
 * Move purge_from of guests that are in use, and return them.  Without a key, these
 * have a session that expires after the given time; with a key, they have been seen
 * or have used a session since.  Waits for a refresh that is about to commit.
 */
extern ArrayType *due_guests_postpone_used(bool with_key, ArrayType *guests, TimestampTz since);

/* Set purge_from of guests. */
extern void due_guests_postpone(ArrayType *guests, TimestampTz until);

/* Placement.lock_device_keys() where this database has all rows. */
extern ArrayType *due_guests_lock_device_keys_locally(ArrayType *users);

#endif							/* ANON_AUTH_DUE_GUESTS_H */
