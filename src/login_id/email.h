/*-------------------------------------------------------------------------
 *
 * email.h
 *	  Email addresses as login IDs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_EMAIL_H
#define ANON_AUTH_EMAIL_H

#include "login_id/login_id.h"

/*
 * Check and normalise an address of 1 to EMAIL_MAX_LENGTH bytes without outer
 * spaces.  Returns as login_id_normalise(); *value is palloc'd and set on success
 * only.  The domain of the result is in lower-case Punycode.
 */
extern LoginIdReason email_normalise(const char *email, const LoginIdPolicy *policy,
								   char **value);

#endif							/* ANON_AUTH_EMAIL_H */
