/*-------------------------------------------------------------------------
 *
 * http_caller.h
 *	  Whose session a request shows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_CALLER_H
#define ANON_AUTH_HTTP_CALLER_H

#include "postgres.h"

#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

typedef enum HttpCaller
{
	CALLER_NOBODY,				/* the request has no token and no cookie */
	CALLER_INVALID_TOKEN,		/* its access token does not verify, or has expired */
	CALLER_NEEDS_PROOF,			/* its Bearer token is bound to a key */
	CALLER_NEEDS_BEARER,		/* its token of the scheme DPoP is not bound to a key */
	CALLER_OTHER_KEY,			/* its proof is of another key than its token */
	CALLER_INVALID,				/* its cookie is not valid, or its session has ended */
	CALLER_KNOWN
} HttpCaller;

/*
 * The session of the access token or, if there is none, of the cookie.  A token that is bound
 * to a key needs the scheme DPoP and a proof: raises AA026 and AA027 without a valid one.
 */
extern HttpCaller http_caller(const HttpRequest *request, Session *session, User *user);

/*
 * If the access token does not count, return the reason for the client: a sentence without
 * final period.  NULL: there is none, or its session has ended.
 */
extern const char *http_caller_token_problem(HttpCaller caller);

/*
 * Same, and answer it: 401 and invalid_token, with a challenge for the scheme that the token
 * needs (RFC 9449, section 7).
 */
extern bool http_refuse_token(const HttpRequest *request, HttpCaller caller,
							  HttpResponse *response);

/* The session of the cookie, whatever token the request has. */
extern HttpCaller http_cookie_caller(const HttpRequest *request, Session *session, User *user);

/*
 * Start a cookie session for a user who has just logged in by the methods amr
 * (auth_methods.h), and return the cookie's value.  It replaces the browser's: a session
 * that no browser can show would go on, so it ends.  client_id and device_info may be NULL.
 * The caller holds the user's row.
 */
extern char *http_replace_session(const HttpRequest *request, const char *client_id,
								  const User *user, const StringList *amr, Jsonb *device_info);

/*
 * Same as http_caller(), and hold the row of the user, as session_lock_user() does: for an
 * endpoint that changes the account.  Raises AA014 if the session ends meanwhile.
 */
extern HttpCaller http_lock_caller(const HttpRequest *request, Session *session, User *user);

/*
 * If a former master key made the cookie of the session that http_cookie_caller() or
 * http_caller() found, set the session's cookie of the current key and return true.  The
 * caller forbids caches to store the response (http_no_store()), because the cookie in it
 * would give the session to others.
 *
 * Return false if an access token showed the session, or if http_is_foreign(): otherwise
 * another site could send a slow request whose response replaces the cookie of a login
 * that the user makes in the meantime.
 */
extern bool http_renew_session_cookie(const HttpRequest *request, const Session *session,
									  HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_CALLER_H */
