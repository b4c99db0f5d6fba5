/*-------------------------------------------------------------------------
 *
 * http_authorize_request.h
 *	  The parameters of /oauth2/authorize (RFC 6749, section 4.1.1; OpenID Connect Core,
 *	  section 3.1.2.1; docs/authgear.md, 2.4 and 3.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_AUTHORIZE_REQUEST_H
#define ANON_AUTH_HTTP_AUTHORIZE_REQUEST_H

#include "postgres.h"

#include "domain/authorization.h"
#include "domain/id_token_hint.h"
#include "http/http_login_hint.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "store/clients.h"

typedef struct HttpAuthorizeRequest
{
	AuthorizationRequest authorization;
	HttpLoginHint login_hint;
	bool		has_id_token;	/* the id_token_hint */
	IdTokenHint id_token;
	bool		is_settings_action; /* http_settings_action.h; wants_code is then true */
	bool		is_silent;		/* prompt=none: no page may be shown */
	bool		wants_account;	/* prompt=create: the user has none */
} HttpAuthorizeRequest;

/* An error that the client gets by a redirect, after its redirect URI was checked. */
typedef struct OAuthRefusal
{
	const char *error;
	const char *description;
} OAuthRefusal;

/*
 * Read everything except client, redirect URI and state.  For a settings action, the hints
 * are read and not checked further.  Return false with a refusal, or raise an error, such as
 * those of a guest's proof.  The client gets either by a redirect.
 */
extern bool http_authorize_request(const HttpRequest *request, const HttpParams *params,
								   const Client *client, HttpAuthorizeRequest *asked,
								   OAuthRefusal *refusal);

#endif							/* ANON_AUTH_HTTP_AUTHORIZE_REQUEST_H */
