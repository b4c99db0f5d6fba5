/*-------------------------------------------------------------------------
 *
 * account_device_key.h
 *	  Device keys of accounts: adding, login, list and removal.
 *
 * Authgear calls a login with such a key biometric login, because the device usually asks
 * for a fingerprint before it signs.  The server sees a proof of possession only
 * (docs/authgear.md).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ACCOUNT_DEVICE_KEY_H
#define ANON_AUTH_ACCOUNT_DEVICE_KEY_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "store/clients.h"
#include "store/device_keys.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Add the key that has signed a request with the action setup to the caller's account, and
 * return its kid.  name may be NULL.  A key that the account has already gets the new name
 * and device_info, if there are any; the request works once all the same.  The account's addresses get a
 * notice.  Raises AA002 if the session is not that of a first-party client, AA003 and
 * AA005 for the request, AA016 for a key that the account cannot have, AA022, AA024 for a
 * guest, 22023 for the name.  The caller holds the user's row.
 */
extern char *account_device_key_add(const User *user, const Session *session, const char *jwt,
									const char *name, TimestampTz now);

/*
 * Log in to the account whose device key has signed a request with the action authenticate,
 * and fill response with the tokens of a new session.  The key's former session with this
 * client ends.  Return false, with the event of a failed login, if the user is disabled.
 * Raises AA002 for the client, AA003 and AA005 for the request, AA004 for an unknown key,
 * AA018 beyond the limit of logins with one key, AA024 for the key of a guest, AA031 for
 * a key that was removed from an account.
 */
extern bool account_device_key_authenticate(const Client *client, const char *jwt,
											const DeviceReport *device, TimestampTz now,
											TokenResponse *response);

/* Return the keys of an account as a palloc'd array, the oldest first.  Raises AA024. */
extern DeviceKey *account_device_key_list(const User *user, int *count);

/*
 * Remove a key from the caller's account, and end the sessions that it has opened: that of
 * the call, too, if it is one of them.  Return false if the account has no key with this
 * kid.  The account's addresses get a notice.  Raises AA022, AA023 if nothing else is left
 * to log in with, AA024 for a guest.  The caller holds the user's row.
 */
extern bool account_device_key_remove(const User *user, const Session *session, const char *kid,
									  TimestampTz now);

/* ---- for callers that change an account in another way ---- */

/*
 * Keep the device key of a guest that its request has promoted, with an event and a notice
 * to the addresses.  The caller holds the key and the row of the account, has made
 * the key one of the account (device_keys_give_to_account()), and has inserted the login IDs.
 */
extern void account_device_key_keep(const User *user, const char *client_id, const char *kid,
									TimestampTz now);

/*
 * Remove all keys of a user, whose row the caller holds.  account is that of
 * device_keys_remove().
 */
extern void account_device_key_remove_all(const User *user, const pg_uuid_t *account,
										  TimestampTz now);

#endif							/* ANON_AUTH_ACCOUNT_DEVICE_KEY_H */
