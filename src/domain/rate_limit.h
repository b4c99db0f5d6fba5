/*-------------------------------------------------------------------------
 *
 * rate_limit.h
 *	  Rate limits: how often a call is allowed (docs/authgear.md, section 9).
 *
 * The table in rate_limit.c lists every limit.  Counts are kept outside the
 * transaction: a client that rolls back has made its attempt all the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RATE_LIMIT_H
#define ANON_AUTH_RATE_LIMIT_H

#include "postgres.h"

#include "base/compat.h"
#include "login_id/login_id.h"
#include "store/device_keys.h"
#include "store/settings.h"
#include "utils/uuid.h"

/* The limits in which a call was counted. */
typedef struct RateLimits RateLimits;

/* Count a guest's sign-up.  Raises AA018. */
extern RateLimits *rate_limit_sign_up(void);

/*
 * Count the look-up of a login ID, whatever the answer is: "free" tells something, too.
 * To be called before the look-up.  Raises AA018.
 */
extern void rate_limit_login_id_lookup(void);

/*
 * Count an answer that tells the client that a login ID belongs to another user.
 * To be called before the login ID is looked up, so that the refusal tells nothing;
 * give back if there is no such user.  Raises AA018.
 */
extern RateLimits *rate_limit_login_id_conflict(void);

/*
 * Give back the counts of a call that does not count after all.  May be called
 * while an error is handled.
 */
extern void rate_limit_give_back(const RateLimits *limits);

/*
 * Count a login with a device key whose signature was verified.  The key counts, not its
 * kid: another device can have a key with the same kid.  Raises AA018.
 */
extern void rate_limit_device_key(const DeviceKey *key);

/*
 * Count a login with a passkey whose signature was verified.  id is the base64url form of
 * its credential id.  Raises AA018.
 */
extern void rate_limit_passkey(const char *id);

/* Count a claim of a guest by an account, whatever becomes of it.  Raises AA018. */
extern void rate_limit_claim(const pg_uuid_t *account);

/*
 * Count an attempt at the password of a subject: a user, or a login ID that no
 * user has.  address is client_address_for_limits().  Raises AA018.
 */
extern void rate_limit_password_attempt(const AttemptPolicy *policy, const char *subject,
										const char *address);

/*
 * Count an attempt at a login ID that no user has.  Return false beyond
 * settings.unknown_login_ids_per_minute: the attempt is not worth a hash.
 */
extern bool rate_limit_unknown_login_id(const AttemptPolicy *policy);

/*
 * Count an attempt at the password of a user by somebody who has proven an address that the
 * user claims.  Return false beyond five a day: the attempt must not be made.  Raises
 * nothing, so that no claim keeps the owner of an address out.
 */
extern bool rate_limit_claimant(const pg_uuid_t *user_id);

/*
 * Count a request for a one-time code.  purpose and subject name the counter:
 * what the code is for, and the address it goes to, which is of this type.  Raises AA018.
 */
extern void rate_limit_code_request(const char *purpose, LoginIdType type, const char *subject);

/*
 * Same for a login code.  guest is the guest that the request has a proof of, or NULL:
 * the limit a minute is for the address and the guest.
 */
extern RateLimits *rate_limit_login_code_request(LoginIdType type, const char *subject,
												 const pg_uuid_t *guest);

/* Raise AA018 because an address has too many login codes for this time, in microseconds. */
pg_noreturn extern void rate_limit_refuse_login_code(int64 wait);

/*
 * Count an attempt with a one-time code by the client's address, as if it were
 * a password.  Raises AA018.
 */
extern void rate_limit_code_attempt_by_address(void);

/*
 * Count an attempt with a six-digit code for a recipient, by any caller.  Raises
 * AA018 beyond a hundred a day: five tries for each of ten codes an hour would
 * find one in a million within 833 days on average, a hundred a day within 27 years.
 */
extern void rate_limit_code_attempt_for_recipient(const char *address);

/* Give back such a count: the code was right. */
extern void rate_limit_code_attempt_was_right(const char *address);

#endif							/* ANON_AUTH_RATE_LIMIT_H */
