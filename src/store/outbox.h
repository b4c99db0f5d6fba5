/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  The table anon_auth.outbox: messages for workers to send.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OUTBOX_H
#define ANON_AUTH_OUTBOX_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/record.h"

/* The purpose of a message. */
typedef enum MessageType
{
	MESSAGE_LOGIN_CODE,
	MESSAGE_PROMOTION,			/* a login code that a guest has asked for */
	MESSAGE_VERIFICATION,
	MESSAGE_PASSWORD_RESET,
	/* notices, without a code */
	MESSAGE_LOGIN_ID_TAKEN,
	MESSAGE_PASSWORD_CHANGED,
	MESSAGE_LOGIN_ID_ADDED,
	MESSAGE_LOGIN_ID_REMOVED,
	MESSAGE_IDENTITY_ADDED,
	MESSAGE_IDENTITY_REMOVED,
	MESSAGE_DEVICE_KEY_ADDED,
	MESSAGE_DEVICE_KEY_REMOVED,
	MESSAGE_PASSKEY_ADDED,
	MESSAGE_PASSKEY_REMOVED,
	MESSAGE_ACCOUNT_DELETION_SCHEDULED
} MessageType;

extern const EnumNames message_type_names;

#define RECORD_C_MESSAGE_TYPE(name)	MessageType name
#define RECORD_KIND_MESSAGE_TYPE	RECORD_ENUM(message_type_names)

#define OUTBOX_COLUMNS(COLUMN) \
	COLUMN(UUID, route)				/* user_id, or the route of the address */ \
	COLUMN(UUID, id) \
	COLUMN(UUID_OR_NULL, user_id)	/* nil: not about a user */ \
	COLUMN(MESSAGE_TYPE, type) \
	COLUMN(LOGIN_ID_TYPE, login_id_type) \
	COLUMN(TEXT, recipient) \
	COLUMN(BYTEA, sealed_code)		/* NULL: a notice */ \
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
 * return them, palloc'd, the oldest first.  Some may have expired.
 */
extern OutboxMessage *outbox_take(int limit, int *count);

/* The operation of placement.h where this database has all rows. */
extern OutboxMessage *outbox_take_locally(int limit, int *count);

/*
 * Insert a message, and notify workers when it is committed.  If it is about a user, the
 * caller holds the user's row: no foreign key keeps the user from being deleted.
 */
extern void outbox_put(const OutboxMessage *message);

/* Notify workers only, as if there were a message. */
extern void outbox_notify(void);

#endif							/* ANON_AUTH_OUTBOX_H */
