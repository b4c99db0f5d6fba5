/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Sessions (docs/authgear.md, section 6).  session_refresh.h: their refresh tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SESSION_H
#define ANON_AUTH_SESSION_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/dpop.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"
#include "token/token.h"

/* ---- beginning ---- */

/*
 * Start a session with a refresh token for a user who has authenticated now, by the
 * methods amr (auth_methods.h), and fill response with its tokens.  If the client allows
 * one session only, the user's other sessions with this client end.  The caller holds the
 * user's row.
 */
extern void session_start(const Client *client, const User *user, const StringList *amr,
						  const DeviceReport *device, TimestampTz now, TokenResponse *response);

/* The parts of a session that an authorization request and its login decide. */
typedef struct SessionGrant
{
	pg_uuid_t	id;				/* from session_new_id() */
	const char *nonce;			/* for the ID token, or NULL */
	TimestampTz authenticated_at;
	const StringList *amr;
	char	   *device_kid;		/* of the account's device key that opened it, or NULL */
	bool		has_refresh_token;
} SessionGrant;

/* Return an id for a session that starts now. */
extern pg_uuid_t session_new_id(TimestampTz now);

/*
 * Start a session for an authorization code, as session_start() does.  Without a refresh
 * token, the session ends when its access token expires, and
 * response->refresh_token is NULL.
 */
extern void session_start_granted(const Client *client, const User *user,
								  const SessionGrant *grant, const DeviceReport *device,
								  TimestampTz now, TokenResponse *response);

/*
 * Return when a session expires that began at a time and is used now: at the end of its
 * lifetime or of the idle timeout, whichever is earlier.
 */
extern TimestampTz session_expiry(const Client *client, TimestampTz begin, TimestampTz now);

/*
 * Fill session and token with this id and a new secret, of type refresh_token.
 * client_id and expires_at are left to the caller, and nothing is stored.  The
 * caller wipes the token.
 */
extern void session_init(const User *user, const pg_uuid_t *id, TimestampTz authenticated_at,
						 const StringList *amr, TimestampTz now, Session *session,
						 RefreshToken *token);

/*
 * End sessions of a user so that settings.max_sessions_per_user allows another one, with an
 * event.  To be called before a session is inserted, by a caller that holds the user's row.
 */
extern void session_make_room(const User *user, const char *client_id, TimestampTz now);

/* ---- looking up ---- */

/* Return when a session started.  Its id is a UUIDv7 and holds the time. */
extern TimestampTz session_started_at(const pg_uuid_t *session_id);

/*
 * Fill session and user if the session is alive and its user is not disabled;
 * return false otherwise.
 */
extern bool session_find_alive(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							   TimestampTz now, Session *session, User *user);

/*
 * Fill user with the whole row of a session's user.  Raises AA014 unless the
 * session is alive; session_id NULL (a token without sid) is not.  session may be NULL.
 */
extern void session_get_user(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							 TimestampTz now, User *user, Session *session);

/*
 * Same, and hold the user's row: for a caller that changes how the account can be opened.
 * The session is alive after the lock was waited for, so whoever ended it while the call
 * waited, such as the owner of a reclaimed account, has ended the call, too.
 */
extern void session_lock_user(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							  TimestampTz now, User *user, Session *session);

/*
 * Same, for a user and a session that were found without a lock.  The time of the login
 * stays as it was found: that of a page's session may come from a cookie.
 */
extern void session_lock_found(TimestampTz now, User *user, Session *session);

/*
 * Use the proof of a request that is about to continue a session.  Return false if the session
 * is bound to another key.  Raises AA026 and AA027 if it is bound or the client's
 * clients.dpop demands it, and the proof is missing or bad (dpop.h).
 */
extern bool session_use_key(const Client *client, const Session *session, DpopCheck *dpop);

/* Raise AA006 if the session of a refresh token belongs to another client. */
extern void session_require_client(const Session *session, const Client *client);

/* ---- ending ---- */

/*
 * End a session, with an event; do nothing if there is no such session.
 * client_id is for the event and may be NULL.
 */
extern void session_end(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
						const char *client_id, TimestampTz now);

/*
 * End all sessions of a user except one, with an event if there were any, and the
 * authorization codes that could give others.  Return how many sessions ended.  The
 * caller holds the user's row, and has changed it (store/users.h).
 */
extern uint64 session_end_others(const User *user, const Session *kept, TimestampTz now);

/*
 * End a session because a secret that gave its tokens was copied, and write an event of
 * this type.  A rollback does not bring the session back, but loses the event.
 */
extern void session_end_copied(const Session *session, const char *event_type,
							   TimestampTz now);

/*
 * End the session of a refresh token or access token, with an event
 * (RFC 7009).  An access token that has expired is accepted.  Does nothing for
 * any other text.
 */
extern void session_revoke_token(const char *token, size_t length, TimestampTz now);

#endif							/* ANON_AUTH_SESSION_H */
