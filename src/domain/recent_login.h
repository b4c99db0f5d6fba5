/*-------------------------------------------------------------------------
 *
 * recent_login.h
 *	  Changes that only a user who has logged in a short time ago can make.
 *
 * Somebody who has found a signed-in device, or stolen a token, must not be able to lock
 * out the owner of the account.  So a change of the credentials needs a login that is not
 * older than settings.reauthentication_max_age.  A refresh is no login.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RECENT_LOGIN_H
#define ANON_AUTH_RECENT_LOGIN_H

#include "postgres.h"

#include "store/sessions.h"
#include "store/users.h"

/*
 * Raise AA022 if the login of the user's session is too old.  Guests are exempt: a guest
 * without a device key cannot log in again.
 */
extern void recent_login_require(const User *user, const Session *session, TimestampTz now);

/* Raise AA024 for a guest, and AA022 as above: for changes that guests cannot make. */
extern void recent_login_require_account(const User *user, const Session *session,
										 TimestampTz now);

#endif							/* ANON_AUTH_RECENT_LOGIN_H */
