/*-------------------------------------------------------------------------
 *
 * login_code_endpoint.c
 *	  POST /api/login_code: has a code sent to an address.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/client.h"
#include "domain/code_login.h"
#include "domain/guest_proof.h"
#include "domain/message_language.h"
#include "http/http_api.h"
#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "store/clients.h"
#include "utils/fmgrprotos.h"

static const HttpMember members[] = {
	{.name = "client_id",.required = true},
	{.name = "login_id",.required = true},
	{.name = "jwt"},
	{.name = "promotion_code"},
	{.name = "refresh_token"},
	{.name = "ui_locales"}
};

/* The response tells nothing about the address: a message is sent to every one. */
static void
handle_login_code(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, members, lengthof(members), response);
	GuestProof	proof;
	Client		client;
	const char *language;
	bool		has_proof;

	if (body == NULL)
		return;
	has_proof = http_api_guest_proof(body, &proof);
	language = message_language_of_request(json_cstring(body, "ui_locales"));
	client_get(json_cstring(body, "client_id"), &client);
	proof.dpop = http_dpop(request);
	http_api_expiry(response,
					code_login_request(&client, json_cstring(body, "login_id"),
									   has_proof ? &proof : NULL, language, request->now));
}

PG_FUNCTION_INFO_V1(anon_auth_http_login_code);
Datum
anon_auth_http_login_code(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_login_code, http_write_api_error);
}
