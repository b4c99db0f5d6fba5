/*-------------------------------------------------------------------------
 *
 * token_endpoint.c
 *	  POST /oauth2/token (docs/authgear.md, 1.3, 3.7 and 6.3), and
 *	  POST /oauth2/revoke (6.4).  http_account_grants.c and
 *	  http_session_grants.c have the other grants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "domain/authorization.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/guest.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "http/http_account_grants.h"
#include "http/http_client.h"
#include "http/http_device_key_grant.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_grant.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/http_session_grants.h"
#include "store/clients.h"
#include "utils/fmgrprotos.h"

static void
handle_anonymous_request_grant(const HttpRequest *request, const Client *client,
							   const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	DeviceReport device;
	char	   *jwt = http_required_param(params, "jwt", "jwt is required");

	client_require_guests(client, true);

	/* Authgear words this differently here than in its API. */
	if (!guest_users_are_enabled())
	{
		http_oauth_error(response, 400, "unauthorized_client", "AnonymousUserDisallowed");
		return;
	}
	device = http_grant_device(request, client, params);
	guest_authenticate_with_key(client, jwt, strlen(jwt), &device, request->now, &tokens);
	http_grant_write_tokens(response, &tokens, true);
}

static void
handle_refresh_token_grant(const HttpRequest *request, const Client *client,
						   const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	char	   *token = http_required_param(params, "refresh_token", "refresh token is required");
	DeviceReport device = http_grant_device(request, client, params);

	/* After a rotation of the master key, the token changes without token rotation, too. */
	if (session_refresh(client, token, &device, request->now, &tokens))
		http_grant_write_tokens(response, &tokens,
					 client->refresh_token_rotation_enabled || strcmp(tokens.refresh_token, token) != 0);
	else
		http_oauth_error(response, 400, "invalid_grant", "invalid refresh token");
}

static void
handle_authorization_code_grant(const HttpRequest *request, const Client *client,
								const HttpParams *params, HttpResponse *response)
{
	TokenResponse tokens;
	char	   *code = http_required_param(params, "code", "code is required");
	char	   *verifier = http_required_param(params, "code_verifier", "PKCE code verifier is required");
	char	   *redirect_uri = http_required_param(params, "redirect_uri", "invalid redirect URI");
	DeviceReport device = http_grant_device(request, client, params);

	if (authorization_code_exchange(client, code, redirect_uri, verifier, &device,
									request->now, &tokens))
		http_grant_write_tokens(response, &tokens, tokens.refresh_token != NULL);
	else
		http_oauth_error(response, 400, "invalid_grant", "invalid authorization code");
}

static const struct
{
	const char *type;
	void		(*handle) (const HttpRequest *request, const Client *client,
						   const HttpParams *params, HttpResponse *response);
}			grants[] = {
	{GRANT_ANONYMOUS_REQUEST, handle_anonymous_request_grant},
	{GRANT_BIOMETRIC_REQUEST, http_device_key_grant},
	{"refresh_token", handle_refresh_token_grant},
	{"authorization_code", handle_authorization_code_grant},
	{GRANT_REFRESH_ID_TOKEN, http_refresh_id_token_grant},
	{GRANT_SETTINGS_ACTION, http_settings_action_grant},
	{GRANT_LOGIN_CODE, http_login_code_grant},
	{GRANT_ID_TOKEN, http_id_token_grant},
	{GRANT_PASSKEY, http_passkey_grant}
};

static void
handle_token(const HttpRequest *request, HttpResponse *response)
{
	HttpParams	params;
	char	   *grant_type;
	Client		client;
	int			i;

	http_form(request, &params);
	if (!http_client(request, &params, &client, response))
		return;
	grant_type = http_required_param(&params, "grant_type", "grant_type is required");
	for (i = 0; i < lengthof(grants); i++)
		if (strcmp(grants[i].type, grant_type) == 0)
		{
			http_grant_ask_for_id_token(&params, &client);
			grants[i].handle(request, &client, &params, response);
			return;
		}
	http_oauth_error(response, 400, "unsupported_grant_type", "grant type is not supported");
}

/*
 * Return what the holder of a token is told if its user is disabled, or NULL to say so: a
 * device that has signed a request is told.  The parameters were read before, or AA007 could
 * not have been raised.
 */
static const char *
message_of_disabled_user(const HttpParams *params)
{
	const char *grant_type = http_param(params, "grant_type");

	if (strcmp(grant_type, "refresh_token") == 0)
		return INVALID_REFRESH_TOKEN_MESSAGE;
	if (strcmp(grant_type, GRANT_LOGIN_CODE) != 0 && strcmp(grant_type, GRANT_ID_TOKEN) != 0 &&
		strcmp(grant_type, GRANT_PASSKEY) != 0)
		return NULL;
	if (http_param(params, "promotion_code") != NULL)
		return INVALID_PROMOTION_CODE_MESSAGE;
	return http_param(params, "refresh_token") != NULL ? INVALID_REFRESH_TOKEN_MESSAGE : NULL;
}

/*
 * Whether the grant for device keys of accounts has raised an error.  If so, fill params.  A
 * form that cannot be read raises 22023, so another error has come after that.
 */
static bool
is_error_of_device_key(const HttpRequest *request, const ErrorData *error, HttpParams *params)
{
	const char *grant_type;

	if (error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE || !http_is_refusal(error))
		return false;
	http_form(request, params);
	grant_type = http_param(params, "grant_type");
	return grant_type != NULL && strcmp(grant_type, GRANT_BIOMETRIC_REQUEST) == 0;
}

/* As at Authgear, the holder of a refresh token is not told that its user is disabled. */
static void
write_token_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	HttpParams	params;
	const char *message = NULL;

	if (is_error_of_device_key(request, error, &params) &&
		http_device_key_write_error(request, &params, error, response))
		return;
	if (error->sqlerrcode == ERRCODE_AA_USER_DISABLED)
	{
		http_form(request, &params);
		message = message_of_disabled_user(&params);
	}
	if (message != NULL)
		http_oauth_error(response, 400, "invalid_grant", message);
	else
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
