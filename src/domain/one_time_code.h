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

/* Whether it is the live code.  If not, the attempt counts; if so, it does not. */
extern bool one_time_code_check(const OneTimeCodeKey *key, const char *code, TimestampTz now);

#endif							/* ANON_AUTH_ONE_TIME_CODE_H */
