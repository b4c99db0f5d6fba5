/*-------------------------------------------------------------------------
 *
 * http_session_grants.h
 *	  The grants of the token endpoint that an app uses within a session, and that give no
 *	  access token (docs/authgear.md, section 7).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_SESSION_GRANTS_H
#define ANON_AUTH_HTTP_SESSION_GRANTS_H

#include "postgres.h"

#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"

/*
 * GRANT_REFRESH_ID_TOKEN: answer an ID token of the session that the access token or, without
 * one, the cookie shows.
 */
extern void http_refresh_id_token_grant(const HttpRequest *request, const Client *client,
										const HttpParams *params, HttpResponse *response);

/* GRANT_SETTINGS_ACTION: answer {} to the code of http_settings_action_finish(). */
extern void http_settings_action_grant(const HttpRequest *request, const Client *client,
									   const HttpParams *params, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_SESSION_GRANTS_H */
