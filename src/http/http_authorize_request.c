/*-------------------------------------------------------------------------
 *
 * http_authorize_request.c
 *	  The parameters of /oauth2/authorize.
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
#include "domain/login.h"
#include "http/http_authorize_request.h"
#include "http/http_caller.h"
#include "http/http_login_hint.h"
#include "store/sessions.h"
#include "store/users.h"
#include "token/dpop_proof.h"

/* Bytes of an unknown scope that an error repeats. */
#define SHOWN_SCOPE_LENGTH	100
/* Digits of a max_age that are read as a number. */
#define MAX_AGE_DIGITS		9

/* The scopes that a first-party client may request; others are refused. */
static const char *const scopes[] = {
	"openid", "offline_access", "profile", "email", "phone", "address", "device_sso",
	"https://authgear.com/scopes/full-access", "https://authgear.com/scopes/full-userinfo"
};

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

/* Fill refusal and return false: the result of the functions that read a request. */
static bool
set_refusal(OAuthRefusal *refusal, const char *error, const char *description)
{
	refusal->error = error;
	refusal->description = description;
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
	if (!http_words_have(scope, "openid"))
		return set_refusal(refusal, "invalid_scope", "must request 'openid' scope");
	return true;
}

/* Read response_type and response_mode, and refuse parameters that are not supported. */
static bool
read_response_type(const HttpParams *params, const Client *client, HttpAuthorizeRequest *asked,
				   OAuthRefusal *refusal)
{
	AuthorizationRequest *authorization = &asked->authorization;
	char	   *type = http_param(params, "response_type");
	char	   *mode = http_param(params, "response_mode");
	int			i;

	for (i = 0; i < lengthof(unsupported); i++)
		if (http_param(params, unsupported[i].parameter) != NULL)
			return set_refusal(refusal, unsupported[i].error,
							   psprintf("%s is not supported", unsupported[i].parameter));
	if (type == NULL)
		return set_refusal(refusal, "invalid_request", "response_type is required");
	asked->is_settings_action = strcmp(type, RESPONSE_TYPE_SETTINGS_ACTION) == 0;
	authorization->wants_code = strcmp(type, "code") == 0 || asked->is_settings_action;
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
	authorization->offline_access = http_words_have(scope, "offline_access");

	authorization->code_challenge = http_param(params, "code_challenge");
	if (authorization->wants_code && authorization->code_challenge == NULL)
		return set_refusal(refusal, "invalid_request",
						   "PKCE code challenge is required for public clients");
	if (authorization->wants_code)
		authorization_check_pkce(authorization->code_challenge, method == NULL ? "plain" : method);

	authorization->nonce = http_param(params, "nonce");
	if (authorization->nonce != NULL && strlen(authorization->nonce) > NONCE_MAX_LENGTH)
		return set_refusal(refusal, "invalid_request", "nonce is too long");
	authorization->dpop_jkt = http_param(params, "dpop_jkt");
	if (authorization->dpop_jkt != NULL && !dpop_is_thumbprint(authorization->dpop_jkt))
		return set_refusal(refusal, "invalid_request",
						   "dpop_jkt must be the thumbprint of a key (RFC 7638)");
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
 * Read the parameters about the login.  A login on a page satisfies every max_age.
 */
static bool
read_login_parameters(const HttpParams *params, HttpAuthorizeRequest *asked,
					  OAuthRefusal *refusal)
{
	AuthorizationRequest *authorization = &asked->authorization;
	char	   *max_age = http_param(params, "max_age");
	char	   *prompt = http_param(params, "prompt");

	authorization->ui_locales = http_param(params, "ui_locales");
	if (authorization->ui_locales != NULL &&
		strlen(authorization->ui_locales) > HTTP_UI_LOCALES_MAX_LENGTH)
		return set_refusal(refusal, "invalid_request", "ui_locales is too long");
	if (max_age != NULL && !parse_max_age(max_age, &authorization->max_age))
		return set_refusal(refusal, "invalid_request", "max_age must be a number of seconds");
	if (prompt != NULL && http_words_have(prompt, "none"))
	{
		if (strcmp(prompt, "none") != 0)
			return set_refusal(refusal, "invalid_request",
							   "prompt 'none' cannot be combined with other values");
		asked->is_silent = true;
	}
	asked->wants_account = prompt != NULL && http_words_have(prompt, "create");
	return true;
}

/* Refuse prompt=create if the pages create no accounts. */
static bool
check_wants_account(const HttpAuthorizeRequest *asked, OAuthRefusal *refusal)
{
	AccountPolicy policy;

	if (!asked->wants_account || asked->authorization.has_guest)
		return true;
	login_read_policy(&policy);
	if (!policy.page_sign_up)
		return set_refusal(refusal, "access_denied", "sign-up is not offered");
	if (asked->has_id_token)
		return set_refusal(refusal, "invalid_request",
						   "prompt 'create' cannot be combined with an id_token_hint");
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
		   HttpAuthorizeRequest *asked, OAuthRefusal *refusal)
{
	AuthorizationRequest *authorization = &asked->authorization;
	char	   *id_token = http_param(params, "id_token_hint");

	http_login_hint(params, &asked->login_hint);
	asked->has_id_token = id_token != NULL;
	if (asked->has_id_token && !id_token_hint_read(id_token, &asked->id_token))
		return set_refusal(refusal, "invalid_request", "invalid id_token_hint");
	if (asked->login_hint.type == LOGIN_HINT_INVALID)
		return set_refusal(refusal, "invalid_request", asked->login_hint.problem);
	if (asked->is_settings_action)
		return true;
	authorization->has_guest = asked->login_hint.type == LOGIN_HINT_GUEST;
	if (!authorization->has_guest)
	{
		client_require_first_party(client);
		if (asked->has_id_token &&
			!authorization_request_set_hint(authorization, client, &asked->id_token))
			return set_refusal(refusal, "login_required",
							   "the user of the id_token_hint cannot log in");
		authorization->login_hint = asked->login_hint.login_id;
		return true;
	}
	if (asked->has_id_token)
		return set_refusal(refusal, "invalid_request",
						   "id_token_hint cannot be combined with the login_hint of a guest");
	open_ticket(request, client, &asked->login_hint.proof, &authorization->ticket);
	return true;
}

bool
http_authorize_request(const HttpRequest *request, const HttpParams *params, const Client *client,
					   HttpAuthorizeRequest *asked, OAuthRefusal *refusal)
{
	return read_response_type(params, client, asked, refusal) &&
		read_token_parameters(params, &asked->authorization, refusal) &&
		read_login_parameters(params, asked, refusal) &&
		read_hints(request, params, client, asked, refusal) &&
		check_wants_account(asked, refusal);
}
