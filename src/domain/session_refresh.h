/*-------------------------------------------------------------------------
 *
 * session_refresh.h
 *	  The use of refresh tokens (docs/authgear.md, section 6).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SESSION_REFRESH_H
#define ANON_AUTH_SESSION_REFRESH_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/dpop.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Use a refresh token: move the session's expiry, rotate if the client wants
 * it, and fill response with new tokens.  Return false if the token was used
 * again after its successor (RFC 9700, section 4.14.2): the session has ended
 * then.  A rollback does not bring it back, but loses the event.  Raises AA006, also
 * for another client's token, and AA007.
 */
extern bool session_refresh(const Client *client, const char *refresh_token,
							const DeviceReport *device, TimestampTz now,
							TokenResponse *response);

/*
 * Use the refresh token of a guest who comes back on the web (docs/authgear.md,
 * section 2.1), as session_refresh() does.  Never rotates, and raises AA006 for a
 * token that was used again.  Raises AA008 for a regular user.
 */
extern void session_refresh_guest(const Client *client, const char *refresh_token,
								  const DeviceReport *device, TimestampTz now,
								  TokenResponse *response);

/*
 * Fill session and user from a refresh token, without using the token up.  Only
 * the newest generation is accepted; one that was reused revokes the session (AA006).
 * Raises AA006, or AA007 if the user is disabled, also AA006 for a proof of another key, and
 * as session_use_key().
 */
extern void session_get_by_refresh_token(const char *refresh_token, DpopCheck *dpop,
										 TimestampTz now, Session *session, User *user);

#endif							/* ANON_AUTH_SESSION_REFRESH_H */
