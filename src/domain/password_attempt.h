/*-------------------------------------------------------------------------
 *
 * password_attempt.h
 *	  Attempts at a user's password: their limits, and the lockout after too
 *	  many wrong ones (docs/authgear.md, section 9).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_ATTEMPT_H
#define ANON_AUTH_PASSWORD_ATTEMPT_H

#include "postgres.h"

#include "store/clients.h"
#include "store/settings.h"

typedef struct PasswordAttempt
{
	const pg_uuid_t *user_id;	/* NULL: no user has the login ID */
	const char *login_id;		/* used only if user_id is NULL */
	const char *address;		/* client_address_for_limits(), may be NULL */
	AttemptPolicy policy;
	int64		failures;		/* with this one, if the lockout is on */
	int64		locked_seconds; /* 0: this attempt locks nothing */
} PasswordAttempt;

/*
 * Count an attempt, as a failure until password_attempt_succeeded() is called.
 * user_id and login_id must stay valid as long as attempt.  Raises AA018 beyond
 * a limit, AA019 if logins to the user are locked, 22023 as client_address_for_limits().
 */
extern void password_attempt_begin(PasswordAttempt *attempt, const pg_uuid_t *user_id,
								   const char *login_id);

/*
 * Return whether the attempt is worth a hash.  False if the login ID is unknown
 * and settings.unknown_login_ids_per_minute has been reached.
 */
extern bool password_attempt_may_hash(const PasswordAttempt *attempt);

/* Forget the failures of the user: the password was right. */
extern void password_attempt_succeeded(const PasswordAttempt *attempt);

/* Record an event if this failure has locked logins to the user. */
extern void password_attempt_failed(const PasswordAttempt *attempt, const char *client_id,
									TimestampTz now);

/*
 * End a user's lockout.  If settings.lockout_type is per_user_per_ip, only the
 * lockout for the client's address ends.
 */
extern void password_attempt_end_lockout(const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_PASSWORD_ATTEMPT_H */
