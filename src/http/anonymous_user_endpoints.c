/*-------------------------------------------------------------------------
 *
 * anonymous_user_endpoints.c
 *	  POST /oauth2/challenge, /api/anonymous_user/signup and
 *	  /api/anonymous_user/promotion_code (docs/authgear.md, 1.1, 2.1 and 2.2).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "domain/challenge.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/guest.h"
#include "domain/guest_proof.h"
#include "http/http_api.h"
#include "http/http_caller.h"
#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/fmgrprotos.h"

static const char *const session_types[] = {"cookie", "refresh_token", NULL};

static const HttpMember challenge_members[] = {
	{.name = "purpose",.required = true}
};

static const HttpMember signup_members[] = {
	{.name = "session_type",.required = true,.values = session_types},
	{.name = "client_id"},
	{.name = "refresh_token"}
};

static const HttpMember promotion_code_members[] = {
	{.name = "session_type",.required = true,.values = session_types},
	{.name = "refresh_token"}
};

/* ---- challenge ---- */

static void
handle_challenge(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, challenge_members, lengthof(challenge_members),
									 response);
	TimestampTz expires_at;
	char	   *token;

	if (body == NULL)
		return;
	token = challenge_create(json_cstring(body, "purpose"), &expires_at);
	http_api_secret(response, "token", token, expires_at);
}

static void
write_challenge_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	if (error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE)
		http_api_error(response, 400, "Invalid", "ValidationFailed", "invalid request body",
					   "{\"causes\": [{\"location\": \"/purpose\", \"kind\": \"general\","
					   " \"details\": {\"msg\": \"unknown challenge purpose\"}}]}");
	else
		http_write_api_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_challenge);
Datum
anon_auth_http_challenge(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_challenge, write_challenge_error);
}

/* ---- signup ---- */

static void
sign_up_with_cookie(const HttpRequest *request, const char *client_id, HttpResponse *response)
{
	DeviceReport device = http_device(request, NULL);
	Session		session;
	User		user;
	Client		client;

	if (http_api_refuse_foreign(request, response))
		return;
	if (http_cookie_caller(request, &session, &user) == CALLER_KNOWN)
	{
		if (!user.is_anonymous)
			raise_not_anonymous();
		http_renew_session_cookie(request, &session, response);
	}
	else
	{
		if (client_id != NULL)
			client_get(client_id, &client);
		http_set_session_cookie(request, response,
								guest_sign_up_with_cookie(client_id != NULL ? &client : NULL,
														  &device, &request->policy,
														  request->now),
								request->now);
	}
	http_api_result(response, "{}");
}

static void
sign_up_with_refresh_token(const HttpRequest *request, const char *client_id,
						   const char *refresh_token, HttpResponse *response)
{
	DeviceReport device = http_device(request, NULL);
	Client		client;
	TokenResponse tokens;
	StringInfoData json;

	client_get(client_id, &client);
	device.dpop = http_dpop(request);
	dpop_admit(&client, device.dpop);
	if (refresh_token != NULL)
		guest_resume(&client, refresh_token, &device, request->now, &tokens);
	else
		guest_sign_up_without_key(&client, &device, request->now, &tokens);

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "token_type", tokens.token_type);
	json_add_string(&json, "access_token", tokens.access_token);
	if (refresh_token == NULL)
		json_add_string(&json, "refresh_token", tokens.refresh_token);
	json_add_integer(&json, "expires_in", tokens.expires_in);
	json_close(&json);
	http_api_result(response, json.data);
}

static void
handle_signup(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, signup_members, lengthof(signup_members), response);
	char	   *client_id;

	if (body == NULL)
		return;
	client_id = json_cstring(body, "client_id");
	if (json_string_equals(body, "session_type", "cookie"))
		sign_up_with_cookie(request, client_id, response);
	else if (client_id == NULL)
		http_api_error(response, 400, "Invalid", "ValidationFailed", "invalid request body",
					   "{\"causes\": [{\"location\": \"\", \"kind\": \"required\", \"details\":"
					   " {\"actual\": [\"session_type\"],"
					   " \"expected\": [\"session_type\", \"client_id\"],"
					   " \"missing\": [\"client_id\"]}}]}");
	else
		sign_up_with_refresh_token(request, client_id, json_cstring(body, "refresh_token"),
								   response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_anonymous_user_signup);
Datum
anon_auth_http_anonymous_user_signup(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_signup, http_write_api_error);
}

/* ---- promotion code ---- */

static void
handle_promotion_code(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, promotion_code_members,
									 lengthof(promotion_code_members), response);
	TimestampTz expires_at;
	char	   *refresh_token;
	char	   *code;
	Session		session;
	User		user;

	if (body == NULL)
		return;
	refresh_token = json_cstring(body, "refresh_token");
	if (json_string_equals(body, "session_type", "cookie"))
	{
		if (http_api_refuse_foreign(request, response))
			return;
		if (http_cookie_caller(request, &session, &user) != CALLER_KNOWN)
		{
			http_api_authentication_required(response);
			return;
		}
		code = guest_proof_create_code_for_session(&session, &user, request->now, &expires_at);
	}
	else if (refresh_token == NULL || refresh_token[0] == '\0')
	{
		http_api_authentication_required(response);
		return;
	}
	else
		code = guest_proof_create_code(refresh_token, http_dpop(request), request->now,
									   &expires_at);
	http_api_secret(response, "promotion_code", code, expires_at);
}

static void
write_promotion_code_error(const HttpRequest *request, const ErrorData *error,
						   HttpResponse *response)
{
	if (error->sqlerrcode == ERRCODE_AA_INVALID_REFRESH_TOKEN ||
		error->sqlerrcode == ERRCODE_AA_USER_DISABLED)
		http_api_error(response, 403, "Forbidden", "Forbidden", "invalid refresh token", NULL);
	else
		http_write_api_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_anonymous_user_promotion_code);
Datum
anon_auth_http_anonymous_user_promotion_code(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_promotion_code, write_promotion_code_error);
}
