/*-------------------------------------------------------------------------
 *
 * passkey_endpoint.c
 *	  POST /api/passkey/request_options and /api/passkey/creation_options: options for
 *	  somebody who is not logged in.
 *
 * A user who is logged in calls /api/account/passkey_creation_options.  So a session that
 * has ended is never taken for a sign-up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/client.h"
#include "domain/passkey_options.h"
#include "http/http_api.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "store/clients.h"
#include "utils/fmgrprotos.h"

#define PASSKEY_PATH "/api/passkey"

static const HttpMember members[] = {
	{.name = "client_id",.required = true}
};

/* Both say which client they are for: one that may not log users in gets no options. */
static void
handle_passkey(const HttpRequest *request, HttpResponse *response)
{
	const char *below = http_path_below(request, PASSKEY_PATH);
	bool		creates = below != NULL && strcmp(below, "/creation_options") == 0;
	Jsonb	   *body;
	Client		client;

	if (!creates && (below == NULL || strcmp(below, "/request_options") != 0))
	{
		http_api_error(response, 404, "NotFound", "NotFound", "no such function", NULL);
		return;
	}
	body = http_json_body(request, members, lengthof(members), response);
	if (body == NULL)
		return;
	client_get(json_cstring(body, "client_id"), &client);
	client_require_first_party(&client);
	http_api_result(response, creates ? passkey_options_for_sign_up(request->now) :
					passkey_options_for_login(&client, request->now));
}

PG_FUNCTION_INFO_V1(anon_auth_http_passkey);
Datum
anon_auth_http_passkey(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_passkey, http_write_api_error);
}
