/*-------------------------------------------------------------------------
 *
 * http_caller.c
 *	  Whose session a request shows (docs/authgear.md, 5.1): that of its access
 *	  token or, if there is none, of its cookie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/span.h"
#include "domain/cookie_session.h"
#include "domain/identity.h"
#include "domain/own_jwt.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_dpop.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/sessions.h"
#include "store/users.h"

/* Arguments and result of own_jwt_verify_access_token(), for http_try(). */
typedef struct Verification
{
	const char *token;
	TimestampTz now;
	AccessToken access;
} Verification;

/* Verify the token of a Verification; arg is void * for http_try(). */
static void
verify_access_token(void *arg)
{
	Verification *verification = arg;

	own_jwt_verify_access_token(verification->token, strlen(verification->token), verification->now,
						&verification->access);
}

/*
 * An access token is valid only as long as its session is alive.  A token that does
 * not verify says nothing about the session: the key may have been retired.
 */
static HttpCaller
token_caller(const HttpRequest *request, const char *token, Session *session, User *user)
{
	Verification verification = {.token = token,.now = request->now};
	ErrorData  *error;

	/* Authgear's SDKs send this when their session has ended, and look for that error. */
	if (token[0] == '\0')
		return CALLER_INVALID;
	error = http_try(verify_access_token, &verification);
	if (error != NULL && !http_is_refusal(error))
		ReThrowError(error);

	if (error != NULL)
		return CALLER_INVALID_TOKEN;
	/* A token that is bound to a key never counts as a Bearer token, nor the reverse. */
	if ((verification.access.jkt != NULL) != http_has_dpop_token(request))
		return verification.access.jkt != NULL ? CALLER_NEEDS_PROOF : CALLER_NEEDS_BEARER;
	if (verification.access.jkt != NULL)
	{
		Span		span = span_of_string(token);

		/* Without a reverse proxy, postgrest_pre_request() has used the proof. */
		if (!identity_has_used_key(&span) &&
			!identity_use_key(&span, &verification.access, http_dpop(request)))
			return CALLER_OTHER_KEY;
	}
	if (!session_find_alive(&verification.access.sub, &verification.access.sid, request->now,
							session, user))
		return CALLER_INVALID;
	return CALLER_KNOWN;
}

/* Note the use of a cookie session. */
static void
touch_session(const HttpRequest *request, const Session *session)
{
	DeviceReport device = http_device(request, NULL);

	cookie_session_touch(session, &device, &request->policy, request->now);
}

static HttpCaller
find_cookie_caller(const HttpRequest *request, Session *session, User *user)
{
	char	   *cookie = http_cookie(request, "session");

	if (cookie == NULL)
		return CALLER_NOBODY;
	return cookie_session_find(cookie, request->now, session, user) ? CALLER_KNOWN :
		CALLER_INVALID;
}

HttpCaller
http_cookie_caller(const HttpRequest *request, Session *session, User *user)
{
	HttpCaller	caller = find_cookie_caller(request, session, user);

	if (caller == CALLER_KNOWN)
		touch_session(request, session);
	return caller;
}

HttpCaller
http_caller(const HttpRequest *request, Session *session, User *user)
{
	char	   *token = http_access_token(request);

	if (token != NULL)
		return token_caller(request, token, session, user);
	return http_cookie_caller(request, session, user);
}

const char *
http_caller_token_problem(HttpCaller caller)
{
	switch (caller)
	{
		case CALLER_INVALID_TOKEN:
			return "the access token is invalid or has expired";
		case CALLER_NEEDS_PROOF:
			return "the access token is bound to a key: send it with the scheme DPoP and a proof";
		case CALLER_NEEDS_BEARER:
			return "the access token is not bound to a key: send it with the scheme Bearer";
		case CALLER_OTHER_KEY:
			return "the DPoP proof is of another key than that of the access token";
		case CALLER_NOBODY:
		case CALLER_INVALID:
		case CALLER_KNOWN:
			break;
	}
	return NULL;
}

bool
http_refuse_token(const HttpRequest *request, HttpCaller caller, HttpResponse *response)
{
	const char *problem = http_caller_token_problem(caller);

	if (problem == NULL)
		return false;
	http_oauth_error(response, 401, "invalid_token", problem);
	http_add_header(response, "WWW-Authenticate",
					http_token_challenge(request, "invalid_token", problem,
										 caller == CALLER_NEEDS_PROOF));
	return true;
}

char *
http_replace_session(const HttpRequest *request, const char *client_id, const User *user,
					 const StringList *amr, Jsonb *device_info)
{
	TimestampTz now = request->now;
	char	   *cookie = http_cookie(request, "session");
	DeviceReport device = http_device(request, device_info);
	Session		previous;
	User		previous_user;

	if (cookie != NULL && cookie_session_find(cookie, now, &previous, &previous_user))
		session_end(&previous.user_id, &previous.id, previous.client_id, now);
	return cookie_session_start(client_id, user, amr, &device, &request->policy, now);
}

HttpCaller
http_lock_caller(const HttpRequest *request, Session *session, User *user)
{
	char	   *token = http_access_token(request);
	Session		found;
	HttpCaller	caller = token != NULL ? token_caller(request, token, &found, user) :
		find_cookie_caller(request, &found, user);

	if (caller != CALLER_KNOWN)
		return caller;
	session_lock_user(&found.user_id, &found.id, request->now, user, session);
	if (token == NULL)
		touch_session(request, session);
	return CALLER_KNOWN;
}

bool
http_renew_session_cookie(const HttpRequest *request, const Session *session,
						  HttpResponse *response)
{
	char	   *cookie = http_cookie(request, "session");
	char	   *renewed;

	if (cookie == NULL || http_access_token(request) != NULL || http_is_foreign(request, true))
		return false;
	renewed = cookie_session_renewed_cookie(cookie);
	if (renewed != NULL)
		http_set_session_cookie(request, response, renewed, session_started_at(&session->id));
	return renewed != NULL;
}
