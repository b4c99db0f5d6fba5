/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  How often things may be tried, and from where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LIMITS_H
#define ANON_AUTH_LIMITS_H

#include "postgres.h"

#include "domain/domain.h"

/* ---- rate limits (rate_limit.c) ---- */

/*
 * Counts a guest's sign-up, or an attempt at a password: of a user, or with
 * user_id NULL of a login ID that is nobody's, known by its route.  Raises
 * AA018, and AA019 where logins to the user are locked.
 */
extern void rate_limit_sign_up(TimestampTz now);
extern void rate_limit_password(const pg_uuid_t *user_id, const char *login_id, TimestampTz now);

/*
 * Counts a request for a one-time code to be sent to a subject, and an attempt
 * at one, which is an attempt at a password as far as addresses go.  AA018.
 */
extern void rate_limit_code_request(const char *purpose, const char *subject, TimestampTz now);
extern void rate_limit_code_attempt(TimestampTz now);

/* How the attempt ended, for the lockout; the second is an event if it locks. */
extern void lockout_password_right(const pg_uuid_t *user_id, const char *login_id);
extern void lockout_password_wrong(const Client *client, const pg_uuid_t *user_id,
								   const char *login_id, TimestampTz now);

/*
 * For a Retry-After header: in how many seconds what AA018 or AA019 last
 * refused in this backend may be tried again.
 */
extern int	rate_limit_retry_after(void);

/* ---- the client's address (client_address.c) ---- */

/*
 * The address that a request comes from, in one form: an IPv4 address, or the
 * first 64 bits of an IPv6 address.  NULL where it is not known: a socket of
 * this host, a background worker.
 */
extern char *client_address(void);

#endif							/* ANON_AUTH_LIMITS_H */
