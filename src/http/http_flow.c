/*-------------------------------------------------------------------------
 *
 * http_flow.c
 *	  What the pages between /oauth2/authorize and the client's redirect URI
 *	  have in common.
 *
 * A flow is the authorization request that /oauth2/authorize accepted.  The
 * address carries it as x_ref, authenticated and bound to the browser by the
 * cookie "promotion", so that no table is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/authorization.h"
#include "domain/browser_flows.h"
#include "domain/discovery.h"
#include "http/http_authorization.h"
#include "http/http_caller.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_passkey.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "store/users.h"

/* The name of the cookie with the flows of a browser, without the prefix. */
#define FLOWS_COOKIE	"promotion"

void
http_flow_begin(const HttpRequest *request, AuthorizationRequest *authorization,
				HttpResponse *response)
{
	BrowserFlows flows;

	browser_flows_read(http_cookie(request, FLOWS_COOKIE), request->now, &flows);
	authorization->browser = browser_flows_begin(&flows, request->now);
	if (http_is_navigation(request))
		http_set_browser_cookie(request, response, FLOWS_COOKIE, browser_flows_write(&flows));
}

bool
http_flow_find(HttpFlow *flow, const HttpRequest *request, const char *x_ref)
{
	TimestampTz now = request->now;
	int			i;

	flow->request = request;
	flow->x_ref = pstrdup(x_ref);
	browser_flows_read(http_cookie(flow->request, FLOWS_COOKIE), now, &flow->browser);
	for (i = 0; i < flow->browser.count; i++)
	{
		flow->own = &flow->browser.flows[i];
		if (authorization_request_read(flow->x_ref, browser_flows_proof(flow->own), now,
									   &flow->authorization, &flow->client))
			return true;
	}
	return false;
}

bool
http_flow_open(HttpFlow *flow, const HttpRequest *request, HttpResponse *response)
{
	HttpParams	query;
	char	   *x_ref;

	if (http_refuse_prefetch(request, response))
		return false;
	http_query(request, &query);
	x_ref = http_param(&query, "x_ref");
	if (x_ref != NULL && http_flow_find(flow, request, x_ref))
		return true;
	if (flow->x_ref != NULL &&
		authorization_request_origin(flow->x_ref, &flow->authorization, &flow->client))
		http_message_page(request, response, 400, "expired", flow->client.name,
						  http_authorization_error(flow->authorization.redirect_uri, "access_denied",
												   "the page has expired", flow->authorization.state),
						  flow->authorization.ui_locales);
	else
		http_message_page(request, response, 400, "expired", NULL, NULL, NULL);
	http_no_store(response);
	return false;
}

bool
http_flow_is_finished(const HttpFlow *flow)
{
	return flow->own->finished;
}

bool
http_flow_has_own_guest(const HttpFlow *flow)
{
	return flow->authorization.ticket.by_own_cookie;
}

/* Return the address of a page of the flow, whose request has changed. */
static char *
page_uri(const HttpFlow *flow, const char *path, AuthorizationRequest *changed)
{
	StringInfoData uri;
	char	   *x_ref;

	x_ref = authorization_request_write(changed);
	initStringInfo(&uri);
	appendStringInfo(&uri, "%s%s", discovery_issuer(), path);
	http_append_param(&uri, "x_ref",
					  strlen(x_ref) > HTTP_MAX_AUTHORIZATION_REQUEST ? flow->x_ref : x_ref);
	return uri.data;
}

static char *
login_uri(const HttpFlow *flow, const char *login_id, bool has_new_password)
{
	AuthorizationRequest request = flow->authorization;

	request.wants_account = false;
	request.has_new_password = has_new_password;
	if (login_id != NULL)
		request.login_hint = unconstify(char *, login_id);
	return page_uri(flow, "/flows/login", &request);
}

char *
http_flow_login_uri(const HttpFlow *flow, const char *login_id)
{
	return login_uri(flow, login_id, false);
}

char *
http_flow_new_password_uri(const HttpFlow *flow, const char *login_id)
{
	return login_uri(flow, login_id, true);
}

char *
http_flow_sign_up_uri(const HttpFlow *flow)
{
	AuthorizationRequest request = flow->authorization;

	request.wants_account = true;
	request.has_new_password = false;
	return page_uri(flow, "/flows/sign_up", &request);
}

char *
http_flow_forgot_password_uri(const HttpFlow *flow)
{
	AuthorizationRequest request = flow->authorization;

	request.has_new_password = false;
	return page_uri(flow, "/flows/forgot_password", &request);
}

void
http_flow_begin_page(StringInfo model, const HttpFlow *flow, const char *view)
{
	http_flow_begin_page_for(model, flow, view, "");
}

/* Otherwise, a passkey that the server has not taken stays in the authenticator. */
static void
add_forgotten_passkey(StringInfo model, const HttpFlow *flow)
{
	if (flow->passkey_form != NULL)
		http_passkey_add_forgotten(model, flow->passkey_form);
}

void
http_flow_begin_page_for(StringInfo model, const HttpFlow *flow, const char *view,
						 const char *uri)
{
	StringInfoData action;

	initStringInfo(&action);
	appendStringInfoString(&action, uri);
	http_append_param(&action, "x_ref", flow->x_ref);

	initStringInfo(model);
	http_page_begin(model, flow->request, view, flow->authorization.ui_locales);
	json_add_string(model, "action", action.data);
	json_add_string(model, "client_name", flow->client.name);
	add_forgotten_passkey(model, flow);
	json_add_string(model, "cancel_uri",
					http_authorization_error(flow->authorization.redirect_uri, "access_denied",
											 "the user has cancelled", flow->authorization.state));

	/* Browsers apply form-action to the redirect that answers a form, too. */
	json_add_raw(model, "form_action_sources",
				 http_json_array(http_origin_of(flow->authorization.redirect_uri)));
}

/* Return the URI that takes the browser back with the result.  A settings page needs no more. */
static char *
response_uri(const HttpFlow *flow)
{
	const AuthorizationRequest *authorization = &flow->authorization;

	return authorization->opens_settings ? authorization->redirect_uri :
		http_authorization_response(authorization->redirect_uri, flow->code,
									authorization->state);
}

void
http_flow_message(const HttpFlow *flow, int status, const char *message, HttpResponse *response)
{
	StringInfoData model;

	initStringInfo(&model);
	http_page_begin(&model, flow->request, "message", flow->authorization.ui_locales);
	json_add_string(&model, "message", message);
	json_add_string(&model, "client_name", flow->client.name);
	json_add_string(&model, "continue_uri", response_uri(flow));
	add_forgotten_passkey(&model, flow);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
}

void
http_flow_finish(HttpFlow *flow)
{
	const AuthorizationRequest *authorization = &flow->authorization;
	TimestampTz now = flow->request->now;
	TimestampTz expires_at;

	if (authorization->wants_code)
		flow->code = authorization_code_create(&flow->client, &flow->user, &flow->amr, authorization,
											   now, &expires_at);
	else
		flow->cookie = http_replace_session(flow->request, flow->client.client_id, &flow->user, &flow->amr,
											authorization->device_info);
}

void
http_flow_redirect(const HttpFlow *flow, HttpResponse *response)
{
	BrowserFlows flows = flow->browser;

	http_redirect(response, response_uri(flow));
	http_no_store(response);
	if (flow->cookie != NULL)
		http_set_session_cookie(flow->request, response, flow->cookie, flow->request->now);
	browser_flows_finish(&flows.flows[flow->own - flow->browser.flows]);
	http_set_browser_cookie(flow->request, response, FLOWS_COOKIE, browser_flows_write(&flows));
}
