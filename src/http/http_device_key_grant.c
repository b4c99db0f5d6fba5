/*-------------------------------------------------------------------------
 *
 * http_device_key_grant.c
 *	  The grant of the token endpoint for device keys of accounts, which Authgear calls
 *	  biometric login (docs/http.md).
 *
 * Authgear's SDKs delete their key when a login is answered with invalid_grant and
 * InvalidCredentials.  So only an answer that another attempt cannot change has these words:
 * the key is unknown, or was removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "domain/account_device_key.h"
#include "domain/client.h"
#include "domain/request_jwt.h"
#include "http/http_caller.h"
#include "http/http_device_key_grant.h"
#include "http/http_errors.h"
#include "http/http_grant.h"

#define NOT_ALLOWED		"this client may not use biometric authentication"
#define NO_SESSION		"biometric setup requires authenticated user"

/* A login without these scopes would have no refresh token, or a limited one. */
static bool
admit_scope(const HttpParams *params, HttpResponse *response)
{
	const char *scope = http_param(params, "scope");

	if (scope == NULL || (http_words_have(scope, "offline_access") &&
						  http_words_have(scope, "https://authgear.com/scopes/full-access")))
		return true;
	http_oauth_error(response, 400, "invalid_scope",
					 "offline_access and full-access must be requested");
	return false;
}

static void
log_in_with_key(const HttpRequest *request, const Client *client, const HttpParams *params,
				const char *jwt, HttpResponse *response)
{
	DeviceReport device;
	TokenResponse tokens;

	if (!admit_scope(params, response))
		return;
	device = http_grant_device(request, client, params);
	if (account_device_key_authenticate(client, jwt, &device, request->now, &tokens))
		http_grant_write_tokens(response, &tokens, true);
	else
		http_oauth_error(response, 400, "invalid_grant", "user is disabled");
}

/*
 * The session must be one of this client.  A cookie does not count: another site could have
 * the browser send it.  The SDKs want status 200, and read no body.
 */
static void
set_up_key(const HttpRequest *request, const Client *client, const char *jwt,
		   HttpResponse *response)
{
	Session		session;
	User		user;

	if (http_access_token(request) == NULL ||
		http_lock_caller(request, &session, &user) != CALLER_KNOWN)
	{
		http_unauthorized(request, response, "invalid_grant", NO_SESSION);
		return;
	}
	if (session.client_id == NULL || strcmp(session.client_id, client->client_id) != 0)
	{
		http_oauth_error(response, 400, "unauthorized_client", NOT_ALLOWED);
		return;
	}
	(void) account_device_key_add(&user, &session, jwt, NULL, request->now);
	http_no_store(response);
}

void
http_device_key_grant(const HttpRequest *request, const Client *client, const HttpParams *params,
					  HttpResponse *response)
{
	char	   *jwt = http_required_param(params, "jwt", "jwt is required");
	const char *action;

	if (!client_is_first_party(client))
	{
		http_oauth_error(response, 400, "unauthorized_client", NOT_ALLOWED);
		return;
	}
	action = request_jwt_claimed_action(jwt, strlen(jwt));
	if (action != NULL && strcmp(action, "setup") == 0)
		set_up_key(request, client, jwt, response);
	else if (action != NULL && strcmp(action, "authenticate") == 0)
		log_in_with_key(request, client, params, jwt, response);
	else
		http_oauth_error(response, 400, "invalid_request",
						 action == NULL ? "invalid action: <nil>" :
						 psprintf("invalid action: %s", action));
}

bool
http_device_key_write_error(const HttpRequest *request, const HttpParams *params,
							const ErrorData *error, HttpResponse *response)
{
	const char *jwt;
	const char *action;

	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_INVALID_REQUEST_JWT:
		case ERRCODE_AA_INVALID_CHALLENGE:
		case ERRCODE_AA_INVALID_KEY:
			http_write_oauth_error_as(response, 400, "invalid_grant", error->message, error);
			return true;
		case ERRCODE_AA_INVALID_TOKEN:
			http_unauthorized(request, response, "invalid_grant", NO_SESSION);
			return true;
		case ERRCODE_AA_ACCOUNT_REQUIRED:
			jwt = http_param(params, "jwt");
			action = request_jwt_claimed_action(jwt, strlen(jwt));
			if (action != NULL && strcmp(action, "setup") == 0)
				http_oauth_error(response, 400, "unauthorized_client", "AnonymousUserAddIdentity");
			else
				http_oauth_error(response, 400, "invalid_grant", error->message);
			return true;
		default:
			return false;
	}
}
