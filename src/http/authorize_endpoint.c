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
 * A request with an app session token opens a settings page with the session of that app,
 * whatever else it asks for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/percent_encoding.h"
#include "base/uuid.h"
#include "domain/app_session.h"
#include "domain/authorization.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "http/http_authorization.h"
#include "http/http_authorize_request.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_login_hint.h"
#include "http/http_page.h"
#include "http/http_page_caller.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/http_settings_action.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/* The settings pages, below the issuer. */
#define SETTINGS_PATH	"/settings"

/* The parameters that this endpoint reads. */
static const char *const known_parameters[] = {
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state",
	"code_challenge", "code_challenge_method", "nonce", "ui_locales", "max_age", "prompt",
	"login_hint", "id_token_hint", "request", "request_uri", "registration",
	"x_settings_action", "x_settings_action_query", "x_oauth_provider_alias"
};

static void
redirect_error(HttpResponse *response, const AuthorizationRequest *authorization,
			   const char *error, const char *description)
{
	http_redirect(response, http_authorization_error(authorization->redirect_uri, error,
													 description, authorization->state));
	http_no_store(response);
}

typedef struct Authorizing
{
	const HttpRequest *request;
	HttpResponse *response;
	HttpParams	params;
	Client		client;
	HttpAuthorizeRequest asked;
	const char *settings_uri;	/* a settings page of ours to open, or NULL */
} Authorizing;

/* Return whether a text is /settings or a path below it, with or without a query. */
static bool
is_settings_path(const char *text)
{
	const char *rest = text + strlen(SETTINGS_PATH);
	const char *next;

	if (strncmp(text, SETTINGS_PATH, strlen(SETTINGS_PATH)) != 0 ||
		(*rest != '\0' && *rest != '/' && *rest != '?'))
		return false;
	rest += strspn(rest, "abcdefghijklmnopqrstuvwxyz_/");
	for (next = rest; *next != '\0'; next++)
		if (*next <= ' ' || *next > '~' || strchr("#\"<>\\", *next) != NULL)
			return false;
	return *rest == '\0' || *rest == '?';
}

/*
 * Return the address of the settings page that a redirect URI means, or NULL.  The SDKs put
 * the path after the issuer's origin, even if the issuer has a path.
 */
static const char *
settings_uri(const char *redirect_uri)
{
	const char *issuer = discovery_issuer();
	const char *bases[] = {issuer, http_origin_of(issuer)};
	int			i;

	for (i = 0; i < lengthof(bases); i++)
		if (strncmp(redirect_uri, bases[i], strlen(bases[i])) == 0 &&
			is_settings_path(redirect_uri + strlen(bases[i])))
			return psprintf("%s%s", issuer, redirect_uri + strlen(bases[i]));
	return NULL;
}

/* Return whether the request has an app session token, and opens a settings page with it. */
static bool
find_settings_uri(Authorizing *authorizing, const char *redirect_uri)
{
	const char *uri = settings_uri(redirect_uri);

	if (uri == NULL)
		return false;
	http_login_hint(&authorizing->params, &authorizing->asked.login_hint);
	if (authorizing->asked.login_hint.type == LOGIN_HINT_APP_SESSION)
		authorizing->settings_uri = uri;
	return authorizing->settings_uri != NULL;
}

/* A SubtransactionAction: find out whether a redirect to the client is safe. */
static void
identify_client(void *arg)
{
	Authorizing *authorizing = arg;
	AuthorizationRequest *authorization = &authorizing->asked.authorization;
	char	   *client_id;
	char	   *redirect_uri;

	http_params(authorizing->request, &authorizing->params);
	client_id = http_param(&authorizing->params, "client_id");
	redirect_uri = http_param(&authorizing->params, "redirect_uri");
	if (client_id == NULL)
		ereport(ERROR,
				(error_refusal(ERRCODE_AA_INVALID_CLIENT), errmsg("client_id is required")));
	client_get(client_id, &authorizing->client);
	if (redirect_uri == NULL)
		redirect_uri = "";
	if (!find_settings_uri(authorizing, redirect_uri))
		client_require_redirect_uri(&authorizing->client, redirect_uri);
	authorization->client_id = authorizing->client.client_id;
	authorization->redirect_uri = redirect_uri;
	authorization->max_age = MAX_AGE_NONE;
	authorization->state = http_param(&authorizing->params, "state");
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

/* Return whether the token is valid.  A request that is no navigation does not use it up. */
static bool
use_app_session_token(const Authorizing *authorizing, Session *session, User *user)
{
	const HttpRequest *request = authorizing->request;

	return http_is_navigation(request) &&
		app_session_use_token(authorizing->asked.login_hint.app_session_token,
							  &authorizing->client, request->now, session, user);
}

/* The browser may have a login of another user, so it does not get to the page without. */
static void
open_settings(const Authorizing *authorizing)
{
	HttpResponse *response = authorizing->response;
	Session		session;
	User		user;

	if (use_app_session_token(authorizing, &session, &user))
	{
		http_page_open_app_session(authorizing->request, &session, response);
		http_redirect(response, authorizing->settings_uri);
	}
	else
		http_message_page(authorizing->request, response, 400, "expired",
						  authorizing->client.name, NULL,
						  http_param(&authorizing->params, "ui_locales"));
	http_no_store(response);
}

/* Begin a settings action, or return what is wrong with the request. */
static const char *
begin_settings_action(Authorizing *authorizing, OAuthRefusal *refusal)
{
	const HttpAuthorizeRequest *asked = &authorizing->asked;
	const AuthorizationRequest *authorization = &asked->authorization;
	SettingsAction action = {
		.client_id = authorization->client_id,
		.redirect_uri = authorization->redirect_uri,
		.state = authorization->state,
		.ui_locales = authorization->ui_locales,
		.code_challenge = authorization->code_challenge
	};
	Session		session;
	User		user;
	const char *problem;

	refusal->error = "invalid_request";
	if (asked->login_hint.type == LOGIN_HINT_NONE)
		return "login_hint must be provided when using settings action";
	if (asked->login_hint.type != LOGIN_HINT_APP_SESSION)
		return "login_hint must be app_session_token when using settings action";
	if (!use_app_session_token(authorizing, &session, &user))
		return "invalid app session token";
	if (asked->has_id_token && !uuid_equals(&asked->id_token.sub, &user.id))
	{
		refusal->error = "login_required";
		return "the user is not that of the id_token_hint";
	}
	problem = http_settings_action_begin(authorizing->request, &authorizing->params, &session,
										 &user, &action, authorizing->response);
	if (problem == NULL)
		http_page_open_app_session(authorizing->request, &session, authorizing->response);
	return problem;
}

/* Return whether a live session satisfies a request without a login. */
static bool
session_satisfies(const AuthorizationRequest *authorization, const Session *session, const User *user,
		  TimestampTz now)
{
	return !authorization->has_guest && !user->is_anonymous &&
		authorization_request_allows(authorization, user) &&
		(authorization->max_age == MAX_AGE_NONE ||
		 now - session->authenticated_at <= authorization->max_age * USECS_PER_SEC);
}

/*
 * Answer prompt=none: with the session of the browser's cookie, or with an error.  The
 * session of the id_token_hint does not continue, because nobody has logged in now.
 */
static void
answer_silently(Authorizing *authorizing)
{
	AuthorizationRequest *authorization = &authorizing->asked.authorization;
	HttpResponse *response = authorizing->response;
	TimestampTz now = authorizing->request->now;
	TimestampTz expires_at;
	Session		session;
	User		user;
	char	   *code = NULL;

	if (http_cookie_caller(authorizing->request, &session, &user) != CALLER_KNOWN ||
		!session_satisfies(authorization, &session, &user, now))
	{
		redirect_error(response, authorization, "login_required", "authentication required");
		return;
	}
	memset(&authorization->hint_session_id, 0, UUID_LEN);
	authorization->authenticated_at = session.authenticated_at;
	authorization->source_session_id = session.id;
	if (authorization->wants_code)
		code = authorization_code_create(&authorizing->client, &user, &session.amr, authorization,
										 now, &expires_at);
	http_redirect(response, http_authorization_response(authorization->redirect_uri, code,
														authorization->state));
	http_no_store(response);
}

/* Send the browser to the page on which the user logs in or is promoted. */
static void
show_page(Authorizing *authorizing)
{
	AuthorizationRequest *authorization = &authorizing->asked.authorization;
	StringInfoData location;
	char	   *text;

	authorization->wants_account = authorizing->asked.wants_account && !authorization->has_guest;
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
					 authorization->has_guest ? "promote_user" :
					 authorization->wants_account ? "sign_up" : "login");
	http_append_param(&location, "x_ref", text);
	http_redirect(authorizing->response, location.data);
	http_no_store(authorizing->response);
}

/* A SubtransactionAction: check the request and answer it. */
static void
accept_request(void *arg)
{
	Authorizing *authorizing = arg;
	HttpAuthorizeRequest *asked = &authorizing->asked;
	OAuthRefusal refusal = {0};

	if (authorizing->settings_uri != NULL)
	{
		open_settings(authorizing);
		return;
	}
	if (http_authorize_request(authorizing->request, &authorizing->params, &authorizing->client,
							   asked, &refusal))
	{
		if (asked->is_settings_action)
			refusal.description = begin_settings_action(authorizing, &refusal);
		else if (asked->is_silent)
			answer_silently(authorizing);
		else
			show_page(authorizing);
	}
	if (refusal.description != NULL)
		redirect_error(authorizing->response, &asked->authorization, refusal.error,
					   refusal.description);
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
		redirect_error(response, &authorizing->asked.authorization, "invalid_request",
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
	AuthorizationRequest *authorization = &authorizing.asked.authorization;
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
	if (authorizing.settings_uri == NULL && !state_fits(authorization->state))
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
