/*-------------------------------------------------------------------------
 *
 * message.h
 *	  Messages to e-mail addresses and phone numbers, which a worker takes from the
 *	  outbox and sends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MESSAGE_H
#define ANON_AUTH_MESSAGE_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/outbox.h"
#include "store/settings.h"
#include "store/users.h"

/* A message to send: the outbox's row, and its code in the clear. */
typedef struct Message
{
	OutboxMessage row;
	char	   *code;			/* NULL: a notice */
	char	   *link;			/* NULL: settings.code_link_uri is not set, or a notice */
} Message;

/*
 * Put a message into the outbox.  The caller fills route, user_id, type,
 * login_id_type, recipient, client_id, language and expires_at; see outbox_put() for
 * the lock that it holds.  code is NULL for a notice.  link_code is the code in the link
 * if that is another one, otherwise NULL.
 */
extern void message_send(OutboxMessage *message, const char *code, const char *link_code,
						 TimestampTz now);

/*
 * Send a notice about a user's account to the verified addresses of the user: the oldest
 * of each type.  client_id may be NULL.  The caller holds the user's row, and has inserted the
 * event of the change.  Sends none if there were NOTICES_PER_HOUR changes of this kind
 * before: so nobody can flood the addresses.
 */
extern void message_notify_user(const User *user, MessageType type, const char *client_id,
								TimestampTz now);

/* Send it to one address, which the user has or had. */
extern void message_notify_address(const User *user, const LoginIdRow *address, MessageType type,
								   const char *client_id, TimestampTz now);

/*
 * Return the address that messages for a login ID go to: as the user gave it,
 * except for characters that represent others (full width, ligatures, a sharp
 * s).  Reading the code at this address must prove control of the address in
 * userinfo.
 */
extern const char *message_recipient(const LoginIdRow *row);

/*
 * Raise AA010 if settings.phone_country_code_allowlist does not have the country of a
 * phone number: messages to some countries cost much, and the sender's competitors or
 * the network may have them sent.  Does nothing for an email address.
 */
extern void message_require_allowed_country(const LoginId *address, const AccountPolicy *policy);

/*
 * Return how many messages to phone numbers were requested on this server in at most 24
 * hours while the allowlist was empty.
 */
extern int64 message_unrestricted_sms(void);

/*
 * Take at most limit messages out of the outbox and return them, the oldest
 * first; *count is their number.  It is less only if no more messages are left, except
 * those that other transactions are taking.  Expired messages are dropped.  A message
 * whose code cannot be opened is dropped with a WARNING, because nobody could send it.
 */
extern Message *message_take(int limit, TimestampTz now, int *count);

#endif							/* ANON_AUTH_MESSAGE_H */
