/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  Whose session a request shows (docs/authgear.md, 5.1): that of its access
 *	  token, else that of its cookie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http.h"
#include "json/json.h"

/* Same as access_token_verify(), without raising. */
typedef struct Verification
{
	const char *token;
	TimestampTz now;
	AccessToken access;
} Verification;

static void
verify(void *arg)
{
	Verification *verification = arg;

	access_token_verify(verification->token, strlen(verification->token), verification->now,
						&verification->access);
}

static HttpCaller
token_caller(const HttpRequest *request, const char *token, Session *session, User *user)
{
	Verification verification = {.token = token,.now = request->now};

	if (http_try(verify, &verification) != NULL ||
		!session_find(&verification.access.sub, &verification.access.sid, request->now,
					  session, user) ||
		user->is_disabled)
		return CALLER_INVALID;
	return CALLER_KNOWN;
}

HttpCaller
http_cookie_caller(const HttpRequest *request, Session *session, User *user)
{
	char	   *cookie = http_cookie(request, "session");

	if (cookie == NULL)
		return CALLER_NOBODY;
	if (!cookie_session_find(cookie, request->now, session, user))
		return CALLER_INVALID;
	cookie_session_touch(session, &request->policy, request->now);
	return CALLER_KNOWN;
}

HttpCaller
http_caller(const HttpRequest *request, Session *session, User *user)
{
	char	   *token = http_bearer_token(request);

	if (token != NULL)
		return token_caller(request, token, session, user);
	return http_cookie_caller(request, session, user);
}
