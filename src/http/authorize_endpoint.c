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
 * An id_token_hint names the user who must log in (reauthentication).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/percent_encoding.h"
#include "domain/authorization.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/guest_proof.h"
#include "domain/id_token_hint.h"
#include "domain/login.h"
#include "http/http_authorization.h"
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
/* Bytes of an unknown scope that an error repeats. */
#define SHOWN_SCOPE_LENGTH	100
/* Digits of a max_age that are read as a number. */
#define MAX_AGE_DIGITS		9

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

/* Parameters of features that this server does not have (OpenID Connect Core, 6 and 7.2.1). */
static const struct
{
	const char *parameter;
	const char *error;
}			unsupported[] = {
	{"request", "request_not_supported"},
	{"request_uri", "request_uri_not_supported"},
	{"registration", "registration_not_supported"}
};

/* The parameters that this endpoint reads. */
static const char *const known_parameters[] = {
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state",
	"code_challenge", "code_challenge_method", "nonce", "ui_locales", "max_age", "prompt",
	"login_hint", "id_token_hint", "request", "request_uri", "registration"
};

static void
redirect_error(HttpResponse *response, const AuthorizationRequest *authorization,
			   const char *error, const char *description)
{
	http_redirect(response, http_authorization_error(authorization->redirect_uri, error,
													 description, authorization->state));
	http_no_store(response);
}

/* Fill refusal and return false: the result of the functions that read a request. */
static bool
set_refusal(OAuthRefusal *refusal, const char *error, const char *description)
{
	refusal->error = error;
	refusal->description = description;
	return false;
}

/* Return whether a list of words, separated by spaces, has a word. */
static bool
has_word(const char *list, const char *word)
{
	size_t		length = strlen(word);

	for (; *list != '\0'; list += strspn(list, " "))
	{
		size_t		next = strcspn(list, " ");

		if (next == length && memcmp(list, word, length) == 0)
			return true;
		list += next;
	}
	return false;
}

/* Return true if a first-party client may request the scope; else say why not. */
static bool
check_scope(const char *scope, OAuthRefusal *refusal)
{
	const char *next;

	for (next = scope; *next != '\0'; next += strspn(next, " "))
	{
		size_t		length = strcspn(next, " ");
		bool		known = length == 0;
		int			i;

		for (i = 0; i < lengthof(scopes); i++)
			if (strlen(scopes[i]) == length && memcmp(scopes[i], next, length) == 0)
				known = true;
		if (!known)
			return set_refusal(refusal, "invalid_scope",
							   psprintf("specified scope is not allowed: %.*s",
										(int) Min(length, SHOWN_SCOPE_LENGTH), next));
		next += length;
	}
	if (!has_word(scope, "openid"))
		return set_refusal(refusal, "invalid_scope", "must request 'openid' scope");
	return true;
}

/* Read the guest's proof from the login_hint; return false and say why if it has none. */
static bool
read_guest_proof(const char *hint, GuestProof *proof, OAuthRefusal *refusal)
{
	HttpParams	params;
	char	   *type;

	http_parse_params(hint + strlen(LOGIN_HINT), &params);
	type = http_param(&params, "type");
	if (type == NULL || strcmp(type, "anonymous") != 0)
		return set_refusal(refusal, "invalid_request", "invalid login_hint type");
	proof->promotion_code = http_param(&params, "promotion_code");
	if (proof->promotion_code == NULL)
		proof->jwt = http_param(&params, "jwt");
	if (proof->promotion_code == NULL && proof->jwt == NULL)
		return set_refusal(refusal, "invalid_request", "unexpected login hint content");
	return true;
}

/* Read response_type and response_mode, and refuse parameters that are not supported. */
static bool
read_response_type(const HttpParams *params, const Client *client,
				   AuthorizationRequest *authorization, OAuthRefusal *refusal)
{
	char	   *type = http_param(params, "response_type");
	char	   *mode = http_param(params, "response_mode");
	int			i;

	for (i = 0; i < lengthof(unsupported); i++)
		if (http_param(params, unsupported[i].parameter) != NULL)
			return set_refusal(refusal, unsupported[i].error,
							   psprintf("%s is not supported", unsupported[i].parameter));
	if (type == NULL)
		return set_refusal(refusal, "invalid_request", "response_type is required");
	authorization->wants_code = strcmp(type, "code") == 0;
	if (!authorization->wants_code && strcmp(type, "none") != 0)
		return set_refusal(refusal, "unsupported_response_type",
						   "response type is not supported");

	/* Only a traditional web application uses a session cookie, which is valid for a year. */
	if (!authorization->wants_code &&
		client->application_type != APPLICATION_TRADITIONAL_WEBAPP)
		return set_refusal(refusal, "unauthorized_client",
						   "response type is not allowed for this client");
	if (mode != NULL && strcmp(mode, "query") != 0)
		return set_refusal(refusal, "invalid_request", "only response mode 'query' is supported");
	return true;
}

/* Read the parameters on which the tokens depend. */
static bool
read_token_parameters(const HttpParams *params, AuthorizationRequest *authorization,
					  OAuthRefusal *refusal)
{
	char	   *scope = http_param(params, "scope");
	char	   *method = http_param(params, "code_challenge_method");

	if (scope == NULL)
		return set_refusal(refusal, "invalid_request", "scope is required");
	if (!check_scope(scope, refusal))
		return false;
	authorization->offline_access = has_word(scope, "offline_access");

	authorization->code_challenge = http_param(params, "code_challenge");
	if (authorization->wants_code && authorization->code_challenge == NULL)
		return set_refusal(refusal, "invalid_request",
						   "PKCE code challenge is required for public clients");
	if (authorization->wants_code)
		authorization_check_pkce(authorization->code_challenge, method == NULL ? "plain" : method);

	authorization->nonce = http_param(params, "nonce");
	if (authorization->nonce != NULL && strlen(authorization->nonce) > NONCE_MAX_LENGTH)
		return set_refusal(refusal, "invalid_request", "nonce is too long");
	return true;
}

/*
 * Set *max_age to a number of seconds.  Return false for any other text.  A number with
 * too many digits is replaced by a large one.
 */
static bool
parse_max_age(const char *text, int64 *max_age)
{
	size_t		length = strlen(text);

	if (strspn(text, "0123456789") != length)
		return false;
	*max_age = length > MAX_AGE_DIGITS ? PG_INT32_MAX : strtoll(text, NULL, 10);
	return true;
}

/*
 * Read the parameters about the login.  Every request ends in a login on a page, so that
 * max_age is always satisfied, and prompt=none never is.
 */
static bool
read_login_parameters(const HttpParams *params, AuthorizationRequest *authorization,
					  OAuthRefusal *refusal)
{
	char	   *max_age = http_param(params, "max_age");
	char	   *prompt = http_param(params, "prompt");

	authorization->ui_locales = http_param(params, "ui_locales");
	if (authorization->ui_locales != NULL &&
		strlen(authorization->ui_locales) > HTTP_UI_LOCALES_MAX_LENGTH)
		return set_refusal(refusal, "invalid_request", "ui_locales is too long");
	if (max_age != NULL && !parse_max_age(max_age, &authorization->max_age))
		return set_refusal(refusal, "invalid_request", "max_age must be a number of seconds");
	if (prompt != NULL && has_word(prompt, "none"))
	{
		if (strcmp(prompt, "none") != 0)
			return set_refusal(refusal, "invalid_request",
							   "prompt 'none' cannot be combined with other values");
		return set_refusal(refusal, "login_required", "authentication required");
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

/* Read the hints about the user who must log in.  Raises the errors of a guest's proof. */
static bool
read_hints(const HttpRequest *request, const HttpParams *params, const Client *client,
		   AuthorizationRequest *authorization, OAuthRefusal *refusal)
{
	char	   *login_hint = http_param(params, "login_hint");
	char	   *id_token = http_param(params, "id_token_hint");
	GuestProof proof = {0};
	IdTokenHint hint;

	authorization->has_guest = login_hint != NULL &&
		strncmp(login_hint, LOGIN_HINT, strlen(LOGIN_HINT)) == 0;
	if (id_token != NULL && !id_token_hint_read(id_token, &hint))
		return set_refusal(refusal, "invalid_request", "invalid id_token_hint");
	if (!authorization->has_guest)
	{
		client_require_first_party(client);
		if (id_token != NULL && !authorization_request_set_hint(authorization, client, &hint))
			return set_refusal(refusal, "login_required",
							   "the user of the id_token_hint cannot log in");
		if (login_hint != NULL && login_may_be_id(login_hint))
			authorization->login_hint = login_hint;
		return true;
	}
	if (id_token != NULL)
		return set_refusal(refusal, "invalid_request",
						   "id_token_hint cannot be combined with the login_hint of a guest");
	if (!read_guest_proof(login_hint, &proof, refusal))
		return false;
	open_ticket(request, client, &proof, &authorization->ticket);
	return true;
}

/*
 * Read everything except client, redirect URI and state.  Return false with a refusal, or
 * raise an error.  The client gets either by a redirect.
 */
static bool
read_request(const HttpRequest *request, const HttpParams *params, const Client *client,
			 AuthorizationRequest *authorization, OAuthRefusal *refusal)
{
	return read_response_type(params, client, authorization, refusal) &&
		read_token_parameters(params, authorization, refusal) &&
		read_login_parameters(params, authorization, refusal) &&
		read_hints(request, params, client, authorization, refusal);
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
	if (client_id == NULL)
		ereport(ERROR,
				(error_refusal(ERRCODE_AA_INVALID_CLIENT), errmsg("client_id is required")));
	client_get(client_id, &authorizing->client);
	client_require_redirect_uri(&authorizing->client, redirect_uri == NULL ? "" : redirect_uri);
	authorizing->authorization.client_id = authorizing->client.client_id;
	authorizing->authorization.redirect_uri = redirect_uri;
	authorizing->authorization.max_age = MAX_AGE_NONE;
	authorizing->authorization.state = http_param(&authorizing->params, "state");
}

/* Return whether the state fits into the header of every response to the browser. */
static bool
state_fits(const char *state)
{
	StringInfoData encoded;

	if (state == NULL)
		return true;
	if (strlen(state) > HTTP_STATE_MAX_LENGTH)
		return false;
	initStringInfo(&encoded);
	percent_encoding_append(&encoded, state);
	return encoded.len <= HTTP_STATE_MAX_LENGTH;
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
		redirect_error(authorizing->response, authorization, refusal.error, refusal.description);
		return;
	}
	http_flow_begin(authorizing->request, authorization, authorizing->response);
	authorization->expires_at = authorizing->request->now + PAGE_LIFETIME_SECONDS * USECS_PER_SEC;
	text = authorization_request_write(authorization);
	if (strlen(text) > HTTP_MAX_AUTHORIZATION_REQUEST)
	{
		/* Drop the cookie of the flow. */
		http_response_begin(authorizing->response);
		redirect_error(authorizing->response, authorization, "invalid_request",
					   "the request is too long");
		return;
	}
	initStringInfo(&location);
	appendStringInfo(&location, "%s/flows/%s", discovery_issuer(),
					 authorization->has_guest ? "promote_user" : "login");
	http_append_param(&location, "x_ref", text);
	http_redirect(authorizing->response, location.data);
	http_no_store(authorizing->response);
}

static bool
is_known_parameter(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(known_parameters); i++)
		if (strcmp(known_parameters[i], name) == 0)
			return true;
	return false;
}

/*
 * Let the browser send the same request with GET, without unknown parameters.  Cookies
 * with SameSite=Lax do not come with a POST from another site, so that the request would
 * seem to be that of a browser without a session and without other flows.
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
		if (is_known_parameter(params->names[i]))
			http_append_param(&location, params->names[i], params->values[i]);
	if (location.len > HTTP_MAX_AUTHORIZATION_REQUEST)
	{
		redirect_error(response, &authorizing->authorization, "invalid_request",
					   "the request is too long");
		return;
	}
	http_redirect(response, location.data);
	http_no_store(response);
}

static void
handle_authorize(const HttpRequest *request, HttpResponse *response)
{
	Authorizing authorizing = {.request = request,.response = response};
	AuthorizationRequest *authorization = &authorizing.authorization;
	ErrorData  *error;
	const char *code;
	const char *description;

	if (http_refuse_prefetch(request, response))
		return;
	error = http_try(identify_client, &authorizing);

	/* There is no redirect URI that can be trusted: tell the user. */
	if (error != NULL)
	{
		if (!http_is_refusal(error))
			ReThrowError(error);
		http_refusal_page(request, response, 400,
						  psprintf("Invalid OAuth authorization request: %s", error->message));
		return;
	}
	if (!state_fits(authorization->state))
	{
		authorization->state = NULL;
		redirect_error(response, authorization, "invalid_request", "state is too long");
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
		redirect_error(response, authorization,
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
