/*-------------------------------------------------------------------------
 *
 * verification.h
 *	  Verification of a user's e-mail address or phone number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_VERIFICATION_H
#define ANON_AUTH_VERIFICATION_H

#include "postgres.h"

#include "domain/one_time_code.h"
#include "login_id/login_id.h"
#include "store/users.h"

/*
 * Have a code sent to the user's login ID of this type, and set *expires_at.  request
 * has the client and the language; without one, the user's locale is the language.
 * Return false if the login ID is verified already.  Raises 22023 if the user
 * has no such login ID, AA014 if the user is gone, AA018 beyond the limits of
 * codes.
 */
extern bool verification_request(const User *user, LoginIdType type,
								 const CodeDelivery *request, TimestampTz now,
								 TimestampTz *expires_at);

/*
 * Mark the login ID as verified if the code is right.  Return false if it is
 * wrong, expired or used up; the attempt counts.  Raises AA018 beyond the limit
 * of guesses for one address.
 */
extern bool verification_complete(const User *user, LoginIdType type, const char *code,
								  TimestampTz now);

/*
 * The same for a code whose link does not tell which login ID it was sent to: one of the
 * user's that are not verified.
 */
extern bool verification_complete_link(const pg_uuid_t *user_id, const char *code,
									   TimestampTz now);

#endif							/* ANON_AUTH_VERIFICATION_H */
