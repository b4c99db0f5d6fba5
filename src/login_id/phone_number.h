/*-------------------------------------------------------------------------
 *
 * phone_number.h
 *	  Phone numbers as login IDs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PHONE_NUMBER_H
#define ANON_AUTH_PHONE_NUMBER_H

#include "login_id/login_id.h"

/*
 * Check a phone number of 1 to PHONE_NUMBER_MAX_LENGTH bytes without outer spaces
 * and bring it into E.164 form ("+85221234567").  Returns as
 * login_id_normalise(); *value is palloc'd and set on success only.
 */
extern LoginIdReason phone_number_normalise(const char *phone_number,
										  const LoginIdPolicy *policy, char **value);

#endif							/* ANON_AUTH_PHONE_NUMBER_H */
