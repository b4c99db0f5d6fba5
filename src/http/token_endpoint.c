/*-------------------------------------------------------------------------
 *
 * token_endpoint.c
 *	  POST /oauth2/token (docs/authgear.md, 1.3, 3.7 and 6.3), and
 *	  POST /oauth2/revoke (6.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/limits.h"
#include "domain/authorization.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/device_report.h"
#include "domain/guest.h"
#include "domain/session.h"
#include "http/http_client.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "json/json_parse.h"
#include "json/json_write.h"
#include "store/clients.h"
#include "utils/fmgrprotos.h"

#define GRANT_ANONYMOUS_REQUEST	"urn:authgear:params:oauth:grant-type:anonymous-request"

pg_noreturn static void
raise_invalid_request(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

/* A parameter that must be there; raises 22023 with this message. */
static char *
required_param(const HttpParams *params, const char *name, const char *message)
{
	char	   *value = http_param(params, name);

	if (value == NULL)
		raise_invalid_request(message);
	return value;
}

/*
 * The report of a request with x_device_info: a JSON object in base64url.  Raises 22023 for
 * one that cannot be read.
 */
static DeviceReport
read_device(const HttpRequest *request, const HttpParams *params)
{
	char	   *text = http_param(params, "x_device_info");
	size_t		length;
	uint8	   *json;
	const char *reason;
	Jsonb	   *info = NULL;

	if (text == NULL)
		return http_device(request, NULL);
	length = strlen(text);
	if (length <= HTTP_DEVICE_INFO_MAX_LENGTH)
	{
		json = palloc(length);
		if (base64url_decode(json, &length, text, length) == JOSE_OK)
			info = json_parse_object((char *) json, length, &reason);
	}
	if (info == NULL)
		raise_invalid_request("invalid x_device_info");
	device_report_check_info(info);
	return http_device(request, info);
}

/* Answer RFC 6749, section 5.1.  There is no "sub": it is in the tokens. */
static void
write_tokens(HttpResponse *response, const TokenResponse *tokens, bool with_refresh_token)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "token_type", "Bearer");
	json_add_string(&json, "access_token", tokens->access_token);
	json_add_integer(&json, "expires_in", tokens->expires_in);
	if (with_refresh_token)
		json_add_string(&json, "refresh_token", tokens->refresh_token);
	json_add_string(&json, "id_token", tokens->id_token);
	json_close(&json);
	http_json(response, 200, json.data);
	http_no_store(response);
}

static void
handle_anonymous_request_grant(const HttpRequest *request, const Client *client,
							   const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	DeviceReport device;
	char	   *jwt = required_param(params, "jwt", "jwt is required");

	client_require_guests(client, true);

	/* Authgear words this differently here than in its API. */
	if (!guest_users_are_enabled())
	{
		http_oauth_error(response, 400, "unauthorized_client", "AnonymousUserDisallowed");
		return;
	}
	device = read_device(request, params);
	guest_authenticate_with_key(client, jwt, strlen(jwt), &device, request->now, &tokens);
	write_tokens(response, &tokens, true);
}

static void
handle_refresh_token_grant(const HttpRequest *request, const Client *client,
						   const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	char	   *token = required_param(params, "refresh_token", "refresh token is required");
	DeviceReport device = read_device(request, params);

	/* After a rotation of the master key, the token changes without token rotation, too. */
	if (session_refresh(client, token, &device, request->now, &tokens))
		write_tokens(response, &tokens,
					 client->refresh_token_rotation_enabled || strcmp(tokens.refresh_token, token) != 0);
	else
		http_oauth_error(response, 400, "invalid_grant", "invalid refresh token");
}

static void
handle_authorization_code_grant(const HttpRequest *request, const Client *client,
								const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	char	   *code = required_param(params, "code", "code is required");
	char	   *verifier = required_param(params, "code_verifier", "PKCE code verifier is required");
	char	   *redirect_uri = required_param(params, "redirect_uri", "invalid redirect URI");
	DeviceReport device = read_device(request, params);

	if (authorization_code_exchange(client, code, redirect_uri, verifier, &device,
									request->now, &tokens))
		write_tokens(response, &tokens, tokens.refresh_token != NULL);
	else
		http_oauth_error(response, 400, "invalid_grant", "invalid authorization code");
}

static void
handle_token(const HttpRequest *request, HttpResponse *response)
{
	HttpParams	params;
	char	   *grant_type;
	Client		client;

	http_form(request, &params);
	if (!http_client(request, &params, &client, response))
		return;
	grant_type = http_param(&params, "grant_type");

	if (grant_type == NULL)
		raise_invalid_request("grant_type is required");
	if (strcmp(grant_type, GRANT_ANONYMOUS_REQUEST) == 0)
		handle_anonymous_request_grant(request, &client, &params, response);
	else if (strcmp(grant_type, "refresh_token") == 0)
		handle_refresh_token_grant(request, &client, &params, response);
	else if (strcmp(grant_type, "authorization_code") == 0)
		handle_authorization_code_grant(request, &client, &params, response);
	else
		http_oauth_error(response, 400, "unsupported_grant_type", "grant type is not supported");
}

/* As at Authgear, the holder of a refresh token is not told that its user is disabled. */
static void
write_token_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	HttpParams	params;

	if (error->sqlerrcode == ERRCODE_AA_USER_DISABLED)
	{
		/* The form has a grant_type, or AA007 could not have been raised. */
		http_form(request, &params);
		if (strcmp(http_param(&params, "grant_type"), "refresh_token") == 0)
		{
			http_oauth_error(response, 400, "invalid_grant", "invalid refresh token");
			return;
		}
	}
	http_write_oauth_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_token);
Datum
anon_auth_http_token(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_token, write_token_error);
}

/*
 * Answers 200 for an unknown token and for any token_type_hint, too (RFC 7009, section
 * 2.2).  Clients ignore the body; some of them parse it.
 */
static void
handle_revoke(const HttpRequest *request, HttpResponse *response)
{
	HttpParams	params;
	char	   *token;

	http_form(request, &params);
	token = http_param(&params, "token");
	if (token != NULL)
		session_revoke_token(token, strlen(token), request->now);
	http_json(response, 200, "{}");
	http_no_store(response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_revoke);
Datum
anon_auth_http_revoke(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_revoke, http_write_oauth_error);
}
