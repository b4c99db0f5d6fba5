/*-------------------------------------------------------------------------
 *
 * due_rows.h
 *	  Rows that purge() deletes because of their age alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DUE_ROWS_H
#define ANON_AUTH_DUE_ROWS_H

#include "postgres.h"

#include "utils/timestamp.h"

/* The time that is compared with "before" of due_rows_delete(). */
typedef enum DueKind
{
	DUE_AUTHORIZATION_CODES,	/* expires_at */
	DUE_ONE_TIME_CODES,			/* expires_at */
	DUE_ADDRESS_CODES,			/* expires_at */
	DUE_OUTBOX_MESSAGES,		/* expires_at */
	DUE_REMOVED_DEVICE_KEYS,	/* removed_at, except keys of accounts */
	DUE_REMOVED_IDENTITIES,		/* removed_at */
	DUE_MERGED_GUESTS,			/* merged_at */
	DUE_EVENTS					/* created_at */
} DueKind;

/*
 * Delete expired sessions, the oldest first, except those that other transactions hold.
 * At most limit sessions are checked; *more is true if that many were found.  Returns
 * the number of deleted sessions.  A session that was refreshed since its purge_from
 * was set is not expired: it only gets a new purge_from.
 */
extern uint64 due_rows_delete_sessions(TimestampTz now, int limit, bool *more);

/*
 * Delete at most limit rows of a kind, except those that other transactions hold.
 * Returns how many.  Where rows are distributed, the limit counts users instead, each
 * of whom may have several rows.
 */
extern uint64 due_rows_delete(DueKind kind, TimestampTz before, int limit);

/* The operations of placement.h where this database has all rows. */
extern uint64 due_rows_delete_sessions_locally(TimestampTz now, int limit, bool *more);
extern uint64 due_rows_delete_locally(DueKind kind, TimestampTz before, int limit);

#endif							/* ANON_AUTH_DUE_ROWS_H */
