/*-------------------------------------------------------------------------
 *
 * app_session.h
 *	  A browser that opens the session of an app on the settings pages (docs/authgear.md,
 *	  section 7).
 *
 * The app exchanges its refresh token for an app session token, and opens an address with
 * it in a browser.  The browser gets a cookie in its place.  The cookie shows the app's
 * session on the settings pages and nowhere else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_SESSION_H
#define ANON_AUTH_APP_SESSION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "domain/dpop.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Return a new app session token for the session of a refresh token, and set *expires_at.
 * It can be used once.  Raises AA002 if the session's client is not a first-party client,
 * AA006, AA007 if the user is disabled, AA026 and AA027 (dpop.h).
 */
extern char *app_session_create_token(const char *refresh_token, DpopCheck *dpop,
									  TimestampTz now, TimestampTz *expires_at);

/*
 * Use an app session token up, and fill session and user.  Return false if the token is not
 * authentic, has expired, was used, or belongs to another client, if its session has ended,
 * or if its user is disabled.
 */
extern bool app_session_use_token(const char *token, const Client *client, TimestampTz now,
								  Session *session, User *user);

/*
 * Return the value of a cookie that shows the session until APP_SESSION_IDLE_SECONDS from
 * now.  It keeps session->authenticated_at, which may be later than that of the session's
 * row: a login on a page does not count for the app.
 */
extern char *app_session_write_cookie(const Session *session, TimestampTz now);

/*
 * Fill session and user from a cookie's value, and set *issued_at to the time of the cookie.
 * session->authenticated_at is the latest login of the app or this browser.  Return false if
 * the value is not authentic or has expired, if the session has ended, or if the user is
 * disabled.
 */
extern bool app_session_find(const char *cookie, TimestampTz now, Session *session, User *user,
							 TimestampTz *issued_at);

#endif							/* ANON_AUTH_APP_SESSION_H */
