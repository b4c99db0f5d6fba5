/*-------------------------------------------------------------------------
 *
 * sign_up.h
 *	  Sign-ups: what those of guests and of accounts have in common, and accounts
 *	  that were never guests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SIGN_UP_H
#define ANON_AUTH_SIGN_UP_H

#include "postgres.h"

#include "domain/account_request.h"
#include "domain/device_report.h"
#include "domain/rate_limit.h"
#include "store/clients.h"

/*
 * Count a sign-up and ask the hook before_sign_up, which sees this id and device_info.
 * client_id may be NULL.  Return the limits in which it was counted.  Raises AA015 if
 * settings.public_sign_up_enabled is off, AA018 beyond the limits, and what the hook
 * raises.
 */
extern RateLimits *sign_up_admit(const pg_uuid_t *user_id, const char *client_id,
								 Jsonb *device_info);

/*
 * Make an account that was never a guest, as sign_up_account(), but start no session: fill
 * user, whose row is held, and the methods of its login (auth_methods.h).
 */
extern bool sign_up_make_account(const Client *client, const AccountRequest *request,
								 Jsonb *device_info, TimestampTz now, User *user,
								 StringList *methods);

/*
 * Make an account that was never a guest, log in to it, and fill response.  Return false
 * if the code is wrong or the ID token was used before.  Raises AA002 for the client,
 * AA009 if another user has a login ID that is not proven, AA030 if an account has an
 * address or identity that is proven; and as account_request_check() and
 * sign_up_admit(), and AA011 for the password.
 */
extern bool sign_up_account(const Client *client, const AccountRequest *request,
							const DeviceReport *device, TimestampTz now,
							TokenResponse *response);

#endif							/* ANON_AUTH_SIGN_UP_H */
