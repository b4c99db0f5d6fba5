/*-------------------------------------------------------------------------
 *
 * guest.h
 *	  Sign-up and login of guests (docs/authgear.md, sections 1.3, 1.4 and 2.1).
 *
 * Every function raises AA002 if the client may not have guests or
 * settings.anonymous_users_enabled is off.  A sign-up also raises AA015 if
 * settings.public_sign_up_enabled is off, AA018 beyond the limits of sign-ups,
 * and what the hook settings.before_sign_up raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_GUEST_H
#define ANON_AUTH_GUEST_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "store/clients.h"
#include "store/settings.h"

/* Return settings.anonymous_users_enabled. */
extern bool guest_users_are_enabled(void);

/*
 * Log in the guest whose device key signed the request, or sign one up if the
 * key is unknown and the request has its jwk.  Of concurrent first requests of one key, all get the same guest.  Raises AA003,
 * AA005 and AA016 for the request, AA004 for an unknown key without a jwk, AA007
 * for a disabled user, AA018 beyond the limit of logins with one key.
 */
extern void guest_authenticate_with_key(const Client *client, const char *jwt, size_t length,
										const DeviceReport *device, TimestampTz now,
										TokenResponse *response);

/* Sign up a guest without a key.  Only the refresh token gives access to it later. */
extern void guest_sign_up_without_key(const Client *client, const DeviceReport *device,
									  TimestampTz now, TokenResponse *response);

/*
 * Sign up a guest with a cookie session and return the cookie's value.  client
 * is NULL if the request named none.
 */
extern char *guest_sign_up_with_cookie(const Client *client, const DeviceReport *device,
									   const BrowserPolicy *policy, TimestampTz now);

/*
 * Return to the guest of a refresh token, without rotating the token.  Raises
 * AA006, AA007, AA008 for a regular user, and 22023 for another client's token.
 */
extern void guest_resume(const Client *client, const char *refresh_token,
						 const DeviceReport *device, TimestampTz now,
						 TokenResponse *response);

#endif							/* ANON_AUTH_GUEST_H */
