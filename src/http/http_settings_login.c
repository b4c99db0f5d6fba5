/*-------------------------------------------------------------------------
 *
 * http_settings_login.c
 *	  The way from a settings page that nobody is logged in to see to the log-in, and back.
 *
 * The log-in is that of /oauth2/authorize with response_type=none, which begins a cookie
 * session.  The way back is part of the authenticated request.  It is always a settings page
 * of ours, whatever the address said.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/authorization.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_reauthentication.h"
#include "http/http_settings_login.h"
#include "store/clients.h"

static bool
find_client(const HttpRequest *request, Client *client)
{
	const char *client_id = request->policy.page_client_id;

	return client_id != NULL && client_find(client_id, client) &&
		client->application_type == APPLICATION_TRADITIONAL_WEBAPP;
}

/* Return the authenticated request, which must fit into the address of a page. */
static char *
write_request(AuthorizationRequest *authorization)
{
	char	   *text = authorization_request_write(authorization);

	if (strlen(text) <= HTTP_MAX_AUTHORIZATION_REQUEST)
		return text;
	authorization->redirect_uri = http_reauthentication_next(NULL);
	return authorization_request_write(authorization);
}

void
http_settings_log_in(const HttpRequest *request, const char *next, const char *ui_locales,
					 HttpResponse *response)
{
	AuthorizationRequest authorization = {.max_age = MAX_AGE_NONE,.opens_settings = true};
	StringInfoData location;
	Client		client;

	if (!find_client(request, &client))
	{
		http_settings_signed_out(request, ui_locales, response);
		return;
	}
	authorization.client_id = client.client_id;
	authorization.redirect_uri = http_reauthentication_next(next);
	if (ui_locales != NULL && strlen(ui_locales) <= HTTP_UI_LOCALES_MAX_LENGTH)
		authorization.ui_locales = unconstify(char *, ui_locales);
	authorization.expires_at = request->now + PAGE_LIFETIME_SECONDS * USECS_PER_SEC;
	http_flow_begin(request, &authorization, response);
	initStringInfo(&location);
	appendStringInfo(&location, "%s/flows/login", discovery_issuer());
	http_append_param(&location, "x_ref", write_request(&authorization));
	http_redirect(response, location.data);
	http_no_store(response);
}

void
http_settings_signed_out(const HttpRequest *request, const char *ui_locales,
						 HttpResponse *response)
{
	Client		client;
	bool		is_known = find_client(request, &client);

	http_message_page(request, response, 403, "signed_out", is_known ? client.name : NULL,
					  is_known && client.redirect_uris.count > 0 ?
					  client.redirect_uris.items[0] : NULL, ui_locales);
	http_no_store(response);
}
