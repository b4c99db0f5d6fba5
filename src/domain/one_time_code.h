/*-------------------------------------------------------------------------
 *
 * one_time_code.h
 *	  Codes that are sent to an address, to see who reads it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ONE_TIME_CODE_H
#define ANON_AUTH_ONE_TIME_CODE_H

#include "postgres.h"

#include "domain/domain.h"

/*
 * Makes a code, which takes the place of an earlier one, and has it sent.
 * Returns when it expires.
 */
extern TimestampTz one_time_code_send(const OneTimeCodeKey *key, const char *recipient,
									  TimestampTz now);

/* A message that shall be sent, as the outbox has it, with its code. */
typedef struct CodeMessage
{
	OutboxMessage row;
	char	   *code;
} CodeMessage;

/*
 * Takes messages out of the outbox, as outbox_take() does.  A message whose code
 * cannot be opened is dropped with a WARNING, because nobody could send it.
 */
extern CodeMessage *one_time_codes_to_send(int limit, TimestampTz now, int *count);

/*
 * True if a code is the live one, and use it up.  A wrong one counts as an attempt.
 * The caller holds the user's row.
 */
extern bool one_time_code_check(const OneTimeCodeKey *key, const char *code, TimestampTz now);

/*
 * The same in two steps.  The first one counts the attempt, takes no lock and writes no
 * row.  The second one needs the user's row, and is false where another transaction
 * has used the code up, or replaced it, between the two.
 */
extern bool one_time_code_matches(const OneTimeCodeKey *key, const char *code, TimestampTz now,
								  OneTimeCode *live);
extern bool one_time_code_use_up(const OneTimeCodeKey *key, const OneTimeCode *live,
								 TimestampTz now);

#endif							/* ANON_AUTH_ONE_TIME_CODE_H */
