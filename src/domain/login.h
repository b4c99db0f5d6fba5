/*-------------------------------------------------------------------------
 *
 * login.h
 *	  Login with a login ID and a password.
 *
 * Wrong credentials are a result, not an error, so that the event and the
 * counter of a failed login are not rolled back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_H
#define ANON_AUTH_LOGIN_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/settings.h"
#include "store/users.h"

/*
 * Read the settings of accounts, for a form that tells its user in advance: allowed
 * login IDs, the password policy, and the conflict rule of promotions.
 */
extern void login_read_policy(AccountPolicy *policy);

/*
 * Log in and fill response with the tokens of a new session.  Return false on
 * wrong credentials: unknown login ID, wrong password or disabled user.  Raises
 * AA002 for the client, AA018 and AA019 beyond the limits of attempts.
 */
extern bool login_authenticate(const Client *client, const char *login_id,
							   const char *password, const DeviceReport *device,
							   TimestampTz now, TokenResponse *response);

/*
 * Check login ID and password as login_authenticate() does, but start no session:
 * fill user.
 */
extern bool login_verify(const Client *client, const char *login_id, const char *password,
						 TimestampTz now, User *user);

/*
 * Check the password of a user that the caller has looked up.  user_id NULL means that
 * no user has login_id.  Otherwise the login fails if the user no longer has login_id, which
 * can be NULL if the password is enough.  Counts the attempt, locks
 * logins out after too many failures, and writes the event of a success or failure.
 * Raises AA018 and AA019 beyond the limits of attempts.  Does not check the client.
 * If true, user is filled and its row is held.
 */
extern bool login_with_password(const Client *client, const pg_uuid_t *user_id,
								const LoginId *login_id, const char *password,
								const AccountPolicy *policy, TimestampTz now, User *user);

/* Find the user who has a login ID.  False if nobody has it. */
extern bool login_find_user(const char *login_id, pg_uuid_t *user_id);

/*
 * Write the event of a failed login.  user_id NULL: no user is known.  reason is a clause
 * of our own.
 */
extern void login_record_failure(const Client *client, const pg_uuid_t *user_id,
								 const char *authenticator, const char *reason, TimestampTz now);

/*
 * Do what login_with_password() does for a wrong password, whatever the password is: for a
 * caller that refuses a login for another reason, and must not show it.
 */
extern void login_fail(const Client *client, const pg_uuid_t *user_id, const char *password,
					   const AccountPolicy *policy, TimestampTz now);

/*
 * Return whether a text that a client sends along may be a login ID.  A UUID is taken for
 * an identifier of the client.
 */
extern bool login_may_be_id(const char *text);

/*
 * Guess from a text which type of login ID it is, and normalise it.  Return false
 * if no login ID can be like that; login_id->value is the text itself then.
 * Rules of the settings that forbid a login ID do not count: they must not lock
 * out a user who has it already.
 */
extern bool login_parse_id(const char *text, const AccountPolicy *policy, LoginId *login_id);

#endif							/* ANON_AUTH_LOGIN_H */
