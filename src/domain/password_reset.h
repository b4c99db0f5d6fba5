/*-------------------------------------------------------------------------
 *
 * password_reset.h
 *	  Reset of a password with a code that is sent to the user's address.
 *
 * The caller is not authenticated.  Neither the results nor the time nor the locks of
 * these functions tell whether a login ID belongs to a user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_RESET_H
#define ANON_AUTH_PASSWORD_RESET_H

#include "postgres.h"

#include "domain/one_time_code.h"

#include "utils/timestamp.h"

/*
 * Have a code sent to the address of the user who has this login ID, if there is
 * one.  Raises AA018 beyond the limits of codes, for unknown login IDs too.
 */
extern void password_reset_request(const char *login_id, const CodeDelivery *request,
								   TimestampTz now);

/*
 * Set a new password if the code is right; all sessions of the user end.  Return
 * false if the code is wrong, expired or used up, or no user has the login ID; the
 * attempt counts.  Raises AA011 if the password is too weak, AA018 beyond the
 * limit of attempts.
 */
extern bool password_reset_complete(const char *login_id, const char *code,
									const char *password, TimestampTz now);

#endif							/* ANON_AUTH_PASSWORD_RESET_H */
