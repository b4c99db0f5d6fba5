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

#include "store/one_time_codes.h"

/* How a code is sent.  client_id, language and flow may be NULL. */
typedef struct CodeDelivery
{
	const char *recipient;		/* message_recipient() */
	const char *client_id;
	const char *language;
	const char *flow;			/* for login codes: see code_login_request_in_flow() */
} CodeDelivery;

/*
 * Make a code, which replaces an earlier one with the same key, and put a
 * message into the outbox.  Return when the code expires.  The caller holds the
 * user's row.
 */
extern TimestampTz one_time_code_send(const OneTimeCodeKey *key, const CodeDelivery *delivery,
									  TimestampTz now);

/*
 * Return whether a text is the live code that was sent to recipient, and use the code up.
 * A code that was sent to another address of the user is wrong.  A wrong text
 * counts as an attempt: 5 for a verification, 100 for a password reset.  The
 * caller holds the user's row.
 */
extern bool one_time_code_check(const OneTimeCodeKey *key, const char *recipient,
								const char *text, TimestampTz now);

/*
 * The same in two steps.  The first counts the attempt, takes no lock, writes no
 * row and fills live.  The second needs the user's row; it returns false if
 * another transaction has used the code up, or replaced it, between the two.
 */
extern bool one_time_code_matches(const OneTimeCodeKey *key, const char *recipient,
								  const char *text, TimestampTz now, OneTimeCode *live);
extern bool one_time_code_use_up(const OneTimeCodeKey *key, const OneTimeCode *live);

/* The forms that codes have, without spaces and hyphens. */
typedef enum OneTimeCodeForm
{
	CODE_FORM_NONE,				/* that of no one-time code */
	CODE_FORM_DIGITS,			/* of a verification */
	CODE_FORM_RESET				/* of a password reset */
} OneTimeCodeForm;

/* Return the form of a text.  It says nothing about whether there is such a code. */
extern OneTimeCodeForm one_time_code_form(const char *text);

#endif							/* ANON_AUTH_ONE_TIME_CODE_H */
