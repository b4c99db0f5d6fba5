/*-------------------------------------------------------------------------
 *
 * one_time_code.h
 *	  One-time codes that are sent to an e-mail address or phone number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ONE_TIME_CODE_H
#define ANON_AUTH_ONE_TIME_CODE_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/outbox.h"

/* A message to send: the outbox's row, and its code in the clear. */
typedef struct CodeMessage
{
	OutboxMessage row;
	char	   *code;
	char	   *link;			/* NULL: settings.code_link_uri is not set */
} CodeMessage;

/* How a code is sent.  client_id and language may be NULL. */
typedef struct CodeDelivery
{
	const char *recipient;
	const char *client_id;
	const char *language;
} CodeDelivery;

/*
 * Make a code, which replaces an earlier one with the same key, and put a
 * message into the outbox.  Return when the code expires.  The caller holds the
 * user's row.
 */
extern TimestampTz one_time_code_send(const OneTimeCodeKey *key, const CodeDelivery *delivery,
									  TimestampTz now);

/*
 * Return the address that messages for a login ID go to: as the user gave it,
 * except for characters that represent others (full width, ligatures, a sharp
 * s).  Reading the code at this address must prove control of the address in
 * userinfo.
 */
extern const char *one_time_code_recipient(const LoginIdRow *row);

/*
 * Take at most limit messages out of the outbox and return them, the oldest
 * first; *count is their number.  A message whose code cannot be opened is
 * dropped with a WARNING, because nobody could send it.
 */
extern CodeMessage *one_time_code_take_messages(int limit, TimestampTz now, int *count);

/*
 * Return whether a text is the live code, and use the code up.  A wrong text
 * counts as an attempt: 5 for a verification, 100 for a password reset.  The
 * caller holds the user's row.
 */
extern bool one_time_code_check(const OneTimeCodeKey *key, const char *text, TimestampTz now);

/*
 * The same in two steps.  The first counts the attempt, takes no lock, writes no
 * row and fills live.  The second needs the user's row; it returns false if
 * another transaction has used the code up, or replaced it, between the two.
 */
extern bool one_time_code_matches(const OneTimeCodeKey *key, const char *text, TimestampTz now,
								  OneTimeCode *live);
extern bool one_time_code_use_up(const OneTimeCodeKey *key, const OneTimeCode *live);

#endif							/* ANON_AUTH_ONE_TIME_CODE_H */
