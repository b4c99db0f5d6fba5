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
#include "store/sessions.h"
#include "store/users.h"

typedef enum HttpCaller
{
	CALLER_NOBODY,				/* the request has no token and no cookie */
	CALLER_INVALID_TOKEN,		/* its access token does not verify, or has expired */
	CALLER_INVALID,				/* its cookie is not valid, or its session has ended */
	CALLER_KNOWN
} HttpCaller;

/* The session of the access token or, if there is none, of the cookie. */
extern HttpCaller http_caller(const HttpRequest *request, Session *session, User *user);

/* The session of the cookie, whatever token the request has. */
extern HttpCaller http_cookie_caller(const HttpRequest *request, Session *session, User *user);

#endif							/* ANON_AUTH_HTTP_CALLER_H */
