/*-------------------------------------------------------------------------
 *
 * authorize_endpoint.c
 *	  GET and POST /oauth2/authorize (RFC 6749, section 4.1.1; docs/authgear.md,
 *	  2.4 and 3.1).
 *
 * A request with a guest's proof in the login_hint starts a promotion.  A request
 * without a login_hint starts the login of a regular user.  The endpoint checks the
 * proof and sends the browser to the page with a request of our own in its place.
 * So no secret stays in the address, and the proof may expire while the guest fills
 * in the form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/authorization.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/guest_proof.h"
#include "domain/id_token_hint.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

#define LOGIN_HINT			"https://authgear.com/login_hint?"

/* The scopes that a first-party client may request; others are refused. */
static const char *const scopes[] = {
	"openid", "offline_access", "profile", "email", "phone", "address", "device_sso",
	"https://authgear.com/scopes/full-access", "https://authgear.com/scopes/full-userinfo"
};

/* An error that the client gets by a redirect, after its redirect URI was checked. */
typedef struct OAuthRefusal
{
	const char *error;
	const char *description;
} OAuthRefusal;

static void
redirect_error(HttpResponse *response, const char *redirect_uri, const char *state,
			   const char *error, const char *description)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfoString(&location, redirect_uri);
	http_append_param(&location, "error", error);
	http_append_param(&location, "error_description", description);
	http_append_param(&location, "state", state);
	http_redirect(response, location.data);
	http_no_store(response);
}

/* Return true if a first-party client may request the scope; else say why not. */
static bool
check_scope(const char *scope, OAuthRefusal *refusal)
{
	bool		has_openid = false;
	const char *next;

	refusal->error = "invalid_scope";
	for (; *scope != '\0'; scope = next + strspn(next, " "))
	{
		size_t		length = strcspn(scope, " ");
		bool		known = length == 0;
		int			i;

		next = scope + length;
		for (i = 0; i < lengthof(scopes); i++)
			if (strlen(scopes[i]) == length && memcmp(scopes[i], scope, length) == 0)
				known = true;
		if (!known)
		{
			refusal->description = psprintf("specified scope is not allowed: %.*s",
											(int) length, scope);
			return false;
		}
		if (length == 6 && memcmp(scope, "openid", 6) == 0)
			has_openid = true;
	}
	refusal->description = "must request 'openid' scope";
	return has_openid;
}

/* Read the guest's proof from the login_hint; return false and say why if it has none. */
static bool
read_login_hint(const char *hint, GuestProof *proof, OAuthRefusal *refusal)
{
	HttpParams	params;
	char	   *type;

	refusal->error = "invalid_request";
	if (strncmp(hint, LOGIN_HINT, strlen(LOGIN_HINT)) != 0)
	{
		refusal->description = "invalid login_hint";
		return false;
	}
	http_parse_params(hint + strlen(LOGIN_HINT), &params);
	type = http_param(&params, "type");
	if (type == NULL || strcmp(type, "anonymous") != 0)
	{
		refusal->description = "invalid login_hint type";
		return false;
	}
	proof->promotion_code = http_param(&params, "promotion_code");
	if (proof->promotion_code == NULL)
		proof->jwt = http_param(&params, "jwt");
	if (proof->promotion_code == NULL && proof->jwt == NULL)
	{
		refusal->description = "unexpected login hint content";
		return false;
	}
	return true;
}

/*
 * Read the guest's proof.  A promotion code of a cookie session counts only in the
 * browser with that cookie.
 */
static void
open_ticket(const HttpRequest *request, const Client *client, const GuestProof *proof,
			GuestTicket *ticket)
{
	Session		session;
	User		user;
	bool		has_session = http_cookie_caller(request, &session, &user) == CALLER_KNOWN;

	guest_proof_open_ticket(client, proof, has_session ? &session.id : NULL, request->now, ticket);
}

/*
 * Read everything except client and redirect URI.  Return false with a refusal, or
 * raise an error.  The client gets either by a redirect.
 */
static bool
read_request(const HttpRequest *request, const HttpParams *params, const Client *client,
			 AuthorizationRequest *authorization, OAuthRefusal *refusal)
{
	char	   *response_type = http_param(params, "response_type");
	char	   *response_mode = http_param(params, "response_mode");
	char	   *scope = http_param(params, "scope");
	char	   *prompt = http_param(params, "prompt");
	char	   *method = http_param(params, "code_challenge_method");
	char	   *login_hint = http_param(params, "login_hint");
	char	   *id_token = http_param(params, "id_token_hint");
	GuestProof proof = {0};
	IdTokenHint hint;

	refusal->error = "unsupported_response_type";
	refusal->description = "response type is not supported";
	if (response_type == NULL)
	{
		refusal->error = "invalid_request";
		refusal->description = "response_type is required";
		return false;
	}
	authorization->wants_code = strcmp(response_type, "code") == 0;
	if (!authorization->wants_code && strcmp(response_type, "none") != 0)
		return false;

	refusal->error = "invalid_request";
	refusal->description = "only response mode 'query' is supported";
	if (response_mode != NULL && strcmp(response_mode, "query") != 0)
		return false;
	refusal->description = "scope is required";
	if (scope == NULL || !check_scope(scope, refusal))
		return false;

	authorization->code_challenge = http_param(params, "code_challenge");
	refusal->error = "invalid_request";
	refusal->description = "PKCE code challenge is required for public clients";
	if (authorization->wants_code && authorization->code_challenge == NULL)
		return false;
	if (authorization->wants_code)
		authorization_check_pkce(authorization->code_challenge, method == NULL ? "plain" : method);

	authorization->nonce = http_param(params, "nonce");
	refusal->description = "nonce is too long";
	if (authorization->nonce != NULL && strlen(authorization->nonce) > NONCE_MAX_LENGTH)
		return false;
	authorization->ui_locales = http_param(params, "ui_locales");
	refusal->description = "invalid id_token_hint";
	if (id_token != NULL && !id_token_hint_read(id_token, &hint))
		return false;

	/* OpenID Connect Core, section 3.1.2.6: nothing can be done unseen. */
	refusal->error = "interaction_required";
	refusal->description = "the user must fill in a form";
	if (prompt != NULL && strcmp(prompt, "none") == 0)
		return false;

	authorization->has_guest = login_hint != NULL;
	if (login_hint == NULL)
	{
		client_require_first_party(client);
		return true;
	}
	if (!read_login_hint(login_hint, &proof, refusal))
		return false;
	open_ticket(request, client, &proof, &authorization->ticket);
	return true;
}

typedef struct Authorizing
{
	const HttpRequest *request;
	HttpResponse *response;
	HttpParams	params;
	Client		client;
	AuthorizationRequest authorization;
} Authorizing;

/* A SubtransactionAction: find out whether a redirect to the client is safe. */
static void
identify_client(void *arg)
{
	Authorizing *authorizing = arg;
	char	   *client_id;
	char	   *redirect_uri;

	http_params(authorizing->request, &authorizing->params);
	client_id = http_param(&authorizing->params, "client_id");
	redirect_uri = http_param(&authorizing->params, "redirect_uri");
	client_get(client_id == NULL ? "" : client_id, &authorizing->client);
	client_require_redirect_uri(&authorizing->client, redirect_uri == NULL ? "" : redirect_uri);
	authorizing->authorization.client_id = authorizing->client.client_id;
	authorizing->authorization.redirect_uri = redirect_uri;
	authorizing->authorization.state = http_param(&authorizing->params, "state");
}

/* A SubtransactionAction: check the request and send the browser to the page. */
static void
accept_request(void *arg)
{
	Authorizing *authorizing = arg;
	AuthorizationRequest *authorization = &authorizing->authorization;
	OAuthRefusal refusal;
	StringInfoData location;
	char	   *text;

	if (!read_request(authorizing->request, &authorizing->params, &authorizing->client,
					  authorization, &refusal))
	{
		redirect_error(authorizing->response, authorization->redirect_uri,
					   authorization->state, refusal.error, refusal.description);
		return;
	}
	http_flow_begin(authorizing->request, authorization, authorizing->response);
	authorization->expires_at = authorizing->request->now + PAGE_LIFETIME_SECONDS * USECS_PER_SEC;
	text = authorization_request_write(authorization);
	if (strlen(text) > HTTP_MAX_AUTHORIZATION_REQUEST)
	{
		/* Drop the cookie of the flow. */
		http_response_begin(authorizing->response);
		redirect_error(authorizing->response, authorization->redirect_uri, NULL,
					   "invalid_request", "state is too long");
		return;
	}
	initStringInfo(&location);
	appendStringInfo(&location, "%s/flows/%s", discovery_issuer(),
					 authorization->has_guest ? "promote_user" : "login");
	http_append_param(&location, "x_ref", text);
	http_redirect(authorizing->response, location.data);
	http_no_store(authorizing->response);
}

/*
 * Let the browser send the same request with GET.  Cookies with SameSite=Lax do not
 * come with a POST from another site, so that the request would seem to be that of a
 * browser without a session and without other flows.
 */
static void
redirect_to_get(const Authorizing *authorizing, HttpResponse *response)
{
	const HttpParams *params = &authorizing->params;
	StringInfoData location;
	int			i;

	initStringInfo(&location);
	appendStringInfo(&location, "%s/oauth2/authorize", discovery_issuer());
	for (i = 0; i < params->count; i++)
		http_append_param(&location, params->names[i], params->values[i]);
	if (location.len > HTTP_MAX_AUTHORIZATION_REQUEST)
	{
		redirect_error(response, authorizing->authorization.redirect_uri, NULL,
					   "invalid_request", "the request is too long");
		return;
	}
	http_redirect(response, location.data);
	http_no_store(response);
}

static void
handle_authorize(const HttpRequest *request, HttpResponse *response)
{
	Authorizing authorizing = {.request = request,.response = response};
	ErrorData  *error = http_try(identify_client, &authorizing);
	const char *code;
	const char *description;

	/* There is no redirect URI that can be trusted: tell the user. */
	if (error != NULL)
	{
		if (!http_is_refusal(error))
			ReThrowError(error);
		http_refusal_page(request, response, 400,
						  psprintf("Invalid OAuth authorization request: %s", error->message));
		return;
	}
	if (strcmp(request->method, "POST") == 0 && http_origin(request) != ORIGIN_OWN)
	{
		redirect_to_get(&authorizing, response);
		return;
	}
	error = http_try(accept_request, &authorizing);
	if (error != NULL)
	{
		(void) http_classify_oauth_error(error, &code, &description);
		http_response_begin(response);

		/* RFC 6749, section 4.1.2.1, has no invalid_grant and no invalid_client. */
		redirect_error(response, authorizing.authorization.redirect_uri,
					   authorizing.authorization.state,
					   strcmp(code, "invalid_grant") == 0 ||
					   strcmp(code, "invalid_client") == 0 ? "invalid_request" : code,
					   description);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_authorize);
Datum
anon_auth_http_authorize(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_authorize, http_write_oauth_error);
}
