/*-------------------------------------------------------------------------
 *
 * http_session_grants.c
 *	  The grants of the token endpoint that an app uses within a session, and that give no
 *	  access token.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/claims.h"
#include "domain/client.h"
#include "domain/session.h"
#include "domain/settings_action.h"
#include "http/http_caller.h"
#include "http/http_errors.h"
#include "http/http_session_grants.h"
#include "json/json_write.h"

/*
 * Return whether a client may have an ID token of the session.  A token's session is that of
 * one client.  All first-party clients share the session of a cookie.
 */
static bool
may_refresh_id_token(const HttpRequest *request, const Client *client, const Session *session)
{
	if (!client_is_first_party(client))
		return false;
	if (http_access_token(request) == NULL)
		return !http_is_foreign(request, true);
	return session->client_id != NULL && strcmp(session->client_id, client->client_id) == 0;
}

static void
write_id_token(HttpResponse *response, const char *id_token)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "id_token", id_token);
	json_close(&json);
	http_json(response, 200, json.data);
	http_no_store(response);
}

void
http_refresh_id_token_grant(const HttpRequest *request, const Client *client,
							const HttpParams *params, HttpResponse *response)
{
	HttpCaller	caller;
	Session		session;
	User		user;

	caller = http_caller(request, &session, &user);
	if (http_refuse_token(request, caller, response))
		return;
	if (caller != CALLER_KNOWN)
	{
		/* Authgear's SDKs end their session on this error. */
		http_unauthorized(request, response, "invalid_grant", "valid session is required");
		return;
	}
	if (!may_refresh_id_token(request, client, &session))
	{
		http_oauth_error(response, 400, "unauthorized_client",
						 "this client may not refresh id token");
		return;
	}
	session_get_user(&session.user_id, &session.id, request->now, &user, NULL);
	write_id_token(response, claims_issue_id_token(client, &user, &session, request->now));
	http_renew_session_cookie(request, &session, response);
}

void
http_settings_action_grant(const HttpRequest *request, const Client *client,
						   const HttpParams *params, HttpResponse *response)
{
	char	   *code = http_required_param(params, "code", "code is required");
	char	   *verifier = http_required_param(params, "code_verifier", "PKCE code verifier is required");
	char	   *redirect_uri = http_required_param(params, "redirect_uri", "invalid redirect URI");

	settings_action_use_code(client, code, redirect_uri, verifier, request->now);
	http_json(response, 200, "{}");
	http_no_store(response);
}
