/*-------------------------------------------------------------------------
 *
 * http_guest_sign_up.c
 *	  The way from a page of a cookie session's guest to the page on which it becomes an
 *	  account.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/discovery.h"
#include "domain/guest_proof.h"
#include "http/http_guest_sign_up.h"
#include "http/http_params.h"

bool
http_guest_sign_up_is_possible(const Client *client)
{
	return client->application_type == APPLICATION_TRADITIONAL_WEBAPP &&
		client->redirect_uris.count > 0;
}

void
http_guest_sign_up(const HttpRequest *request, const Session *session, const User *user,
				   const Client *client, const char *redirect_uri, const char *ui_locales,
				   HttpResponse *response)
{
	StringInfoData location;
	TimestampTz expires_at;
	char	   *code = guest_proof_create_code_for_session(session, user, request->now,
														   &expires_at);

	initStringInfo(&location);
	appendStringInfo(&location, "%s/oauth2/authorize", discovery_issuer());
	http_append_param(&location, "client_id", client->client_id);
	http_append_param(&location, "redirect_uri", redirect_uri);
	http_append_param(&location, "response_type", "none");
	http_append_param(&location, "scope", "openid");
	http_append_param(&location, "login_hint",
					  psprintf("https://authgear.com/login_hint?type=anonymous&promotion_code=%s",
							   code));
	http_append_param(&location, "ui_locales", ui_locales);
	http_redirect(response, location.data);
	http_no_store(response);
}
