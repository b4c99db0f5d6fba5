/*-------------------------------------------------------------------------
 *
 * cookie_session.h
 *	  Sessions whose secret a browser keeps in a cookie (docs/authgear.md,
 *	  sections 2.1 and 6.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COOKIE_SESSION_H
#define ANON_AUTH_COOKIE_SESSION_H

#include "postgres.h"

#include "domain/device_report.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"

/* Read the settings of cookie sessions and of the cookies themselves. */
extern void cookie_session_read_policy(BrowserPolicy *policy);

/*
 * Start a session and return the cookie's value.  amr is as for session_start().
 * client_id may be NULL.  The caller holds the user's row.
 */
extern char *cookie_session_start(const char *client_id, const User *user,
								  const StringList *amr, const DeviceReport *device,
								  const BrowserPolicy *policy, TimestampTz now);

/* Return when a cookie session that starts now expires if it is not used. */
extern TimestampTz cookie_session_expiry(const BrowserPolicy *policy, TimestampTz now);

/*
 * Fill session and user from a cookie's value.  Return false if the value is
 * not authentic, the session has ended, or the user is disabled.
 */
extern bool cookie_session_find(const char *cookie, TimestampTz now,
								Session *session, User *user);

/* Return what the device of a session reported about itself, or NULL. */
extern Jsonb *cookie_session_device_info(const Session *session);

/*
 * Return the cookie of the same session with a MAC of the current master key, or NULL if
 * the cookie has that already.  Call it with a cookie that cookie_session_find() accepted:
 * this function does not check the session.
 */
extern char *cookie_session_renewed_cookie(const char *cookie);

/*
 * Move the session's expiry if that is worth a write (ten minutes or more).
 * Does nothing in a read-only transaction and on a standby.
 */
extern void cookie_session_touch(const Session *session, const DeviceReport *device,
								 const BrowserPolicy *policy, TimestampTz now);

#endif							/* ANON_AUTH_COOKIE_SESSION_H */
