/*-------------------------------------------------------------------------
 *
 * end_session_endpoint.c
 *	  GET and POST /oauth2/end_session: logout of a cookie session
 *	  (docs/authgear.md, 6.5; OpenID Connect RP-Initiated Logout 1.0).
 *
 * Any page can send a browser here.  The browser sends the cookie same_site_strict
 * only if a page of our own site did.  Without it, the endpoint asks the user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "store/sessions.h"
#include "store/users.h"

static void
write_logged_out(const HttpRequest *request, const char *redirect_uri, const char *state,
				 const char *ui_locales, HttpResponse *response)
{
	StringInfoData location;

	http_no_store(response);
	if (redirect_uri == NULL || !client_any_has_post_logout_redirect_uri(redirect_uri))
	{
		http_message_page(request, response, 200, "logged_out", NULL, NULL, ui_locales);
		return;
	}
	initStringInfo(&location);
	appendStringInfoString(&location, redirect_uri);
	http_append_param(&location, "state", state);
	http_redirect(response, location.data);
}

static void
write_confirmation(const HttpRequest *request, const char *redirect_uri, const char *state,
				   const char *ui_locales, HttpResponse *response)
{
	StringInfoData model;

	initStringInfo(&model);
	http_page_begin(&model, request, "log_out", ui_locales);
	json_add_string(&model, "action", psprintf("%s/oauth2/end_session", discovery_issuer()));
	json_add_name(&model, "hidden");
	json_open(&model);
	if (redirect_uri != NULL)
		json_add_string(&model, "post_logout_redirect_uri", redirect_uri);
	if (state != NULL)
		json_add_string(&model, "state", state);
	if (ui_locales != NULL)
		json_add_string(&model, "ui_locales", ui_locales);
	json_close(&model);
	if (redirect_uri != NULL && client_any_has_post_logout_redirect_uri(redirect_uri))
	{
		json_add_string(&model, "cancel_uri", redirect_uri);
		json_add_raw(&model, "form_action_sources",
					 http_json_array(http_origin_of(redirect_uri)));
	}
	json_close(&model);
	http_page(response, 200, model.data);
}

static void
handle_end_session(const HttpRequest *request, HttpResponse *response)
{
	HttpParams	params;
	char	   *redirect_uri;
	char	   *state;
	char	   *ui_locales;
	Session		session;
	User		user;

	http_params(request, &params);
	redirect_uri = http_param(&params, "post_logout_redirect_uri");
	state = http_param(&params, "state");
	ui_locales = http_param(&params, "ui_locales");

	if (http_cookie_caller(request, &session, &user) == CALLER_KNOWN)
	{
		if (http_cookie(request, "same_site_strict") == NULL)
		{
			write_confirmation(request, redirect_uri, state, ui_locales, response);
			return;
		}
		session_end(&session.user_id, &session.id, session.client_id, request->now);
	}
	http_clear_session_cookie(request, response);
	write_logged_out(request, redirect_uri, state, ui_locales, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_end_session);
Datum
anon_auth_http_end_session(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_end_session, http_write_oauth_error);
}
