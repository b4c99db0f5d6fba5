/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  The table anon_auth.outbox: messages with one-time codes, for workers to send.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OUTBOX_H
#define ANON_AUTH_OUTBOX_H

#include "postgres.h"

#include "store/one_time_codes.h"
#include "store/record.h"

#define OUTBOX_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(UUID, id) \
	COLUMN(TEXT, type)				/* the purpose of the code */ \
	COLUMN(TEXT, login_id_type) \
	COLUMN(TEXT, recipient) \
	COLUMN(BYTEA, sealed_code) \
	COLUMN(TEXT, client_id) \
	COLUMN(TEXT, language) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, expires_at)

typedef struct OutboxMessage
{
	OUTBOX_COLUMNS(RECORD_FIELD)
} OutboxMessage;

/*
 * Delete the oldest messages that no other transaction is taking, at most limit, and
 * return those that have not expired, palloc'd, the oldest first.
 */
extern OutboxMessage *outbox_take(int limit, TimestampTz now, int *count);

/* The operation of placement.h where this database has all rows. */
extern OutboxMessage *outbox_take_locally(int limit, TimestampTz now, int *count);

/*
 * Insert a message, and notify workers when it is committed.  The types are those of
 * the code's key.
 */
extern void outbox_put(const OneTimeCodeKey *key, const OutboxMessage *message);

/* Notify workers only, as if there were a message. */
extern void outbox_notify(void);

#endif							/* ANON_AUTH_OUTBOX_H */
