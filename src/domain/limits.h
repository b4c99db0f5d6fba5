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

/* The limits that a call was counted in. */
typedef struct RateLimits RateLimits;

/* Count a guest's sign-up.  Raises AA018. */
extern RateLimits *rate_limit_sign_up(void);

/* What was counted did not happen.  May be called while an error is handled. */
extern void rate_limit_give_back(const RateLimits *limits);

/* Count a login with a device key whose signature was verified.  Raises AA018. */
extern void rate_limit_device_key(const char *kid);

/*
 * Count a request for a one-time code to be sent to a subject, and an attempt
 * at one, which is an attempt at a password as far as addresses go.  AA018.
 */
extern void rate_limit_code_request(const char *purpose, const char *subject);
extern void rate_limit_code_attempt(void);

/*
 * Count a try at a six-digit code for an address, by anybody.  Raises AA018 beyond a
 * hundred a day: five tries for each of ten codes an hour would find one in a
 * million within months.
 */
extern void rate_limit_guess(const char *address);

/* ---- attempts at passwords, and the lockout (rate_limit.c) ---- */

typedef struct PasswordAttempt
{
	const pg_uuid_t *user_id;	/* NULL: nobody has the login ID */
	const char *login_id;		/* looked at only if user_id is NULL */
	AttemptPolicy policy;
	int64		failures;		/* with this one, while the lockout is on */
	int64		locked_seconds; /* 0: this one locks nothing */
} PasswordAttempt;

/*
 * Count an attempt, as a failure until password_attempt_right() is called.
 * Raises AA018, and AA019 where logins to the user are locked.
 */
extern void password_attempt_begin(PasswordAttempt *attempt, const pg_uuid_t *user_id,
								   const char *login_id);

/* False: too many login IDs that nobody has; do not spend a hash on this one. */
extern bool password_attempt_may_hash(const PasswordAttempt *attempt);

/* How it ended.  A failure that locks the user is an event. */
extern void password_attempt_right(const PasswordAttempt *attempt);
extern void password_attempt_wrong(const PasswordAttempt *attempt, const Client *client,
								   TimestampTz now);

/* End a lockout of a user at all addresses that share it. */
extern void lockout_end(const pg_uuid_t *user_id);

/*
 * For a Retry-After header: in how many seconds what AA018 or AA019 last
 * refused in this backend may be tried again.
 */
extern int	rate_limit_retry_after(void);

/* ---- the client's address (client_address.c) ---- */

/* The name of all requests that have no address although proxies are trusted. */
#define CLIENT_ADDRESS_UNKNOWN	"unknown"

/*
 * Return the address that a request comes from, in one form: an IPv4 address, or
 * the first 64 bits of an IPv6 address.  With settings.trusted_proxy_hops = 0,
 * NULL for a local connection and for a background worker; otherwise
 * CLIENT_ADDRESS_UNKNOWN for these.  Raises 22023 if request.headers is needed and
 * cannot be read.
 */
extern char *client_address(void);

/*
 * The wider network of such an address, with a prefix of that many bits, a
 * multiple of 8; NULL for IPv4, where an address is all that is known.
 */
extern char *client_network(const char *address, int prefix_length);

#endif							/* ANON_AUTH_LIMITS_H */
