/*-------------------------------------------------------------------------
 *
 * app_session_endpoint.c
 *	  POST /oauth2/app_session_token (docs/authgear.md, section 7).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "domain/app_session.h"
#include "http/http_api.h"
#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "json/json_read.h"

static const HttpMember members[] = {
	{.name = "refresh_token",.required = true}
};

static void
handle_app_session_token(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, members, lengthof(members), response);
	TimestampTz expires_at;
	char	   *token;

	if (body == NULL)
		return;
	token = app_session_create_token(json_cstring(body, "refresh_token"), http_dpop(request),
									 request->now, &expires_at);
	http_api_secret(response, "app_session_token", token, expires_at);
}

/* Authgear's SDKs end their session on the reason InvalidGrant. */
static void
write_app_session_error(const HttpRequest *request, const ErrorData *error,
						HttpResponse *response)
{
	if (error->sqlerrcode == ERRCODE_AA_INVALID_REFRESH_TOKEN ||
		error->sqlerrcode == ERRCODE_AA_USER_DISABLED)
		http_api_error(response, 403, "Forbidden", "InvalidGrant", INVALID_REFRESH_TOKEN_MESSAGE,
					   NULL);
	else if (error->sqlerrcode == ERRCODE_AA_UNAUTHORIZED_CLIENT)
		http_api_error(response, 403, "Forbidden", "Forbidden",
					   "the client is not authorized to have full user access", NULL);
	else
		http_write_api_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_app_session_token);
Datum
anon_auth_http_app_session_token(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_app_session_token, write_app_session_error);
}
