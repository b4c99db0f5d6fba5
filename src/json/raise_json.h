/*-------------------------------------------------------------------------
 *
 * raise_json.h
 *	  The errors of class AA whose DETAIL programs read (base/raise.h has the others).
 *
 * Their DETAIL is one JSON object.  Its member "description" has full sentences for
 * people.  The other members are for programs; base/detail_codes.h lists their codes.
 * No member contains a login ID, a password or another secret.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RAISE_JSON_H
#define ANON_AUTH_RAISE_JSON_H

#include "postgres.h"

#include "base/compat.h"
#include "base/detail_codes.h"
#include "base/errors.h"

/* AA009: another user has the login ID of this type ("email"). */
pg_noreturn extern void raise_identity_exists(const char *login_id_type);

/*
 * AA010: the login ID of this type breaks a rule.  reason is a code; clause says the
 * same in lower case, without a period.
 */
pg_noreturn extern void raise_invalid_login_id(const char *login_id_type, const char *reason,
											   const char *clause);

/*
 * AA011: the password breaks rules of the policy.  reasons is a JSON array of objects;
 * clauses continues the sentence "The password ...".
 */
pg_noreturn extern void raise_password_policy(const char *reasons, const char *clauses);

/*
 * AA032: values of a profile break rules.  reasons is a JSON array of objects; sentences says
 * the same.
 */
pg_noreturn extern void raise_invalid_profile(const char *reasons, const char *sentences);

/*
 * AA018: a limit is reached, which is count for "what".  The call may succeed after
 * wait, in microseconds.  hint may be NULL.
 */
pg_noreturn extern void raise_rate_limited(RateLimitCode limit, const char *what, int count,
										   int64 wait, const char *hint);

/* AA018: there is no room for another counter.  The time to wait is unknown. */
pg_noreturn extern void raise_counters_full(void);

/* AA019: logins to the user are locked for this time, in microseconds. */
pg_noreturn extern void raise_account_locked(int64 wait);

/* AA027: the DPoP proof needs this nonce. */
pg_noreturn extern void raise_use_dpop_nonce(const char *nonce);

/* Return a member of such a DETAIL that is a string, or NULL if there is none. */
extern char *raise_json_member(const char *detail, const char *name);

/*
 * AA022: the user of the session has logged in longer than max_age ago, which is in
 * seconds.
 */
pg_noreturn extern void raise_recent_login_required(int64 max_age);

/* Return the max_age in a DETAIL of AA022. */
extern int64 raise_json_max_age(const char *detail);

/*
 * AA029: a response for a passkey is refused.  description is a sentence, or NULL for the
 * clause of the reason.
 */
pg_noreturn extern void raise_invalid_passkey(PasskeyReason reason, const char *description);

/* Return whether this is the DETAIL of AA029 for a reason. */
extern bool raise_json_is_passkey_reason(const char *detail, PasskeyReason reason);

/*
 * AA030: no account has the address or identity that the caller has proven.  by_code: with
 * a code that was requested without a guest's proof, which cannot promote a guest.
 */
pg_noreturn extern void raise_no_account(bool by_code);

/*
 * AA030: an account has the address or identity that the caller has proven, and the caller
 * does not want to log in to it.  is_way_in: a login with the same code or ID token
 * opens that account.
 */
pg_noreturn extern void raise_account_exists(bool is_way_in);

/*
 * Return the number of seconds after which a call may be repeated that failed with this
 * DETAIL, or 0 if the DETAIL does not say.
 */
extern int	raise_json_retry_after(const char *detail);

/* Return whether this is the DETAIL of AA018 for a limit. */
extern bool raise_json_is_limit(const char *detail, RateLimitCode limit);

#endif							/* ANON_AUTH_RAISE_JSON_H */
