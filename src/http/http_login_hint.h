/*-------------------------------------------------------------------------
 *
 * http_login_hint.h
 *	  The parameter login_hint of /oauth2/authorize (docs/authgear.md, 2.4): a login ID, or
 *	  an address of Authgear's with parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_LOGIN_HINT_H
#define ANON_AUTH_HTTP_LOGIN_HINT_H

#include "postgres.h"

#include "domain/guest_proof.h"
#include "http/http_params.h"

typedef enum HttpLoginHintType
{
	LOGIN_HINT_NONE,
	LOGIN_HINT_LOGIN_ID,		/* login_id */
	LOGIN_HINT_GUEST,			/* proof */
	LOGIN_HINT_APP_SESSION,		/* app_session_token */
	LOGIN_HINT_INVALID			/* problem */
} HttpLoginHintType;

typedef struct HttpLoginHint
{
	HttpLoginHintType type;
	char	   *login_id;		/* to fill in; NULL: none that could be one */
	GuestProof	proof;
	char	   *app_session_token;
	const char *problem;		/* for an error_description */
} HttpLoginHint;

/* Read the login_hint of a request. */
extern void http_login_hint(const HttpParams *params, HttpLoginHint *hint);

#endif							/* ANON_AUTH_HTTP_LOGIN_HINT_H */
