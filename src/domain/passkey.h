/*-------------------------------------------------------------------------
 *
 * passkey.h
 *	  Passkeys of guests and accounts: login, adding and removing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEY_H
#define ANON_AUTH_PASSKEY_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/passkey_response.h"
#include "store/clients.h"
#include "store/passkeys.h"
#include "store/sessions.h"
#include "store/users.h"

/* The "login_id_type" of AA009 if an account has the passkey. */
#define PASSKEY_IDENTITY_TYPE "passkey"

/* Return the id of a passkey in base64url, palloc'd. */
extern char *passkey_id_text(const Passkey *passkey);

/* ---- for callers that have read a response ---- */

/*
 * Find the passkey that has signed a response to get(), without a lock.  Raises AA029 if
 * there is none, or if it has not signed the response.
 */
extern void passkey_find(const PasskeyResponse *response, Passkey *passkey);

typedef enum PasskeyLoginResult
{
	PASSKEY_LOGIN_DONE,
	PASSKEY_LOGIN_USER_DISABLED,
	PASSKEY_LOGIN_COUNTER,		/* has not increased: somebody may have a copy of the passkey */
	PASSKEY_LOGIN_OTHER_USER	/* the passkey is not that of the user who has to log in */
} PasskeyLoginResult;

/*
 * Log in to the user of a passkey that passkey_find() has found: use the challenge up, with an
 * event and in the statistics.  Any other result than PASSKEY_LOGIN_DONE comes with an event:
 * authentication.failed, or passkey.counter_not_increased.  Raises AA018 beyond the limit of
 * logins, and AA029 if the challenge was used before or the passkey was removed.  If done,
 * user is filled and its row is held.  Starts no session.
 */
extern PasskeyLoginResult passkey_log_in(const Client *client, const PasskeyResponse *response,
						   const Passkey *passkey, TimestampTz now, User *user);

/*
 * Give a user, whose row the caller holds, the passkey that a response to create() has made,
 * and use the challenge up.  name may be NULL.  Raises AA029 if the challenge was used before,
 * a user has the passkey, or the user has too many.
 */
extern void passkey_insert(const PasskeyResponse *response, const pg_uuid_t *user_id,
						   const char *name, TimestampTz now);

/* How somebody authenticated with a response: auth_methods.h. */
extern StringList passkey_methods(const PasskeyResponse *response);

/* Raise AA029 unless the challenge of a response to create() was issued for this user. */
extern void passkey_require_user(const PasskeyResponse *response, const pg_uuid_t *user_id);

/* ---- SQL functions ---- */

/*
 * Log in with a response to get() and fill response with the tokens of a new session.  Return
 * false and raise as passkey_log_in(); also raises AA002 for the client, and AA029.
 */
extern bool passkey_authenticate(const Client *client, Jsonb *json, const DeviceReport *device,
								 TimestampTz now, TokenResponse *response);

/* ---- pages ---- */

/*
 * Log in with a response to get(), as passkey_log_in() does, to the user of the passkey.  known
 * is the only user who can log in, or NULL.  Fills user, and the methods of its login.  Does
 * not check the client: the authorization request was accepted.
 */
extern PasskeyLoginResult passkey_log_in_on_page(const Client *client, Jsonb *json,
												 const pg_uuid_t *known, TimestampTz now,
												 User *user, StringList *methods);

/*
 * Add a passkey to the caller, and return its id in base64url.  name may be NULL.  The
 * addresses of an account get a notice.  Raises 22023 for the name, AA022 and AA029.  The
 * caller holds the user's row.
 */
extern char *passkey_add(const User *user, const Session *session, Jsonb *json,
						 const char *name, TimestampTz now);

/* Return the passkeys of a user as a palloc'd array, the oldest first. */
extern Passkey *passkey_list(const User *user, int *count);

/*
 * Remove a passkey of the caller, which id names in base64url.  Return false if the caller has
 * no such passkey.  Ends all other sessions, because they may have begun with it, and sends
 * a notice.  Raises AA022, and AA023 if nothing else is left to log in to the account with.  The
 * caller holds the user's row.
 */
extern bool passkey_remove(const User *user, const Session *session, const char *id,
						   TimestampTz now);

/* Return whether a user has the passkey with this id in base64url. */
extern bool passkey_exists(const char *id);

/*
 * Return whether a response to create() has made its account before: the account for which
 * the challenge was issued has the passkey.  Nobody else has such a challenge, so the answer tells
 * nobody which passkeys exist.
 */
extern bool passkey_has_made_account(const Jsonb *json);

/* ---- for callers that delete or take over an account ---- */

/* Remove all passkeys of a user, whose row the caller holds. */
extern void passkey_remove_all(const User *user, TimestampTz now);

#endif							/* ANON_AUTH_PASSKEY_H */
