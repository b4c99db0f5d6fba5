/*-------------------------------------------------------------------------
 *
 * due_accounts.h
 *	  Accounts that purge() deletes, because their users have asked for it.
 *
 * Accounts are passed as arrays of ids, uuid[], like the guests of due_guests.h, whose
 * functions that count and divide arrays, and due_guests_postpone(), work for them, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DUE_ACCOUNTS_H
#define ANON_AUTH_DUE_ACCOUNTS_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/timestamp.h"

/* Return the accounts to delete by now, those that are due for longest first.  No lock. */
extern ArrayType *due_accounts_find(TimestampTz now, int limit);

/*
 * Lock the rows of accounts for deletion, and return those that no other transaction
 * holds and that are due still.
 */
extern ArrayType *due_accounts_lock(ArrayType *accounts, TimestampTz now);

#endif							/* ANON_AUTH_DUE_ACCOUNTS_H */
