/*-------------------------------------------------------------------------
 *
 * userinfo_endpoints.c
 *	  GET and POST /oauth2/userinfo (docs/authgear.md, 5.1), and GET /resolve
 *	  for reverse proxies (5.5).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "domain/claims.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "store/sessions.h"
#include "store/users.h"

static void
write_invalid_session(const HttpRequest *request, HttpResponse *response)
{
	http_unauthorized(request, response, "invalid_grant", "invalid session");
}

static void
handle_userinfo(const HttpRequest *request, HttpResponse *response)
{
	Session		session;
	User		user;
	HttpCaller	caller = http_caller(request, &session, &user);

	if (http_refuse_token(request, caller, response))
		return;
	if (caller == CALLER_NOBODY)
	{
		/* RFC 6750: a challenge to a request without credentials has no error. */
		http_oauth_error(response, 401, "invalid_grant", "invalid session");
		http_add_header(response, "WWW-Authenticate", "Bearer");
		return;
	}
	if (caller != CALLER_KNOWN)
	{
		write_invalid_session(request, response);
		return;
	}
	session_get_user(&session.user_id, &session.id, request->now, &user, NULL);
	http_json(response, 200, json_from_jsonb(claims_userinfo(&user)));
	http_no_store(response);
	http_renew_session_cookie(request, &session, response);
}

/* The session may end after http_caller() found it. */
static void
write_userinfo_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	if (error->sqlerrcode == ERRCODE_AA_INVALID_TOKEN)
		write_invalid_session(request, response);
	else
		http_write_oauth_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_userinfo);
Datum
anon_auth_http_userinfo(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_userinfo, write_userinfo_error);
}

static void
add_boolean_header(HttpResponse *response, const char *name, bool value)
{
	http_add_header(response, name, value ? "true" : "false");
}

/* No role has a space in its name. */
static char *
join_roles(const StringList *roles)
{
	StringInfoData text;
	int			i;

	initStringInfo(&text);
	for (i = 0; i < roles->count; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? " " : "", roles->items[i]);
	return text.data;
}

/*
 * True for a change (any method except GET and HEAD) that a page of another origin
 * makes with the user's cookie.  A page cannot make a browser send an access token.
 */
static bool
is_cross_site_change(const HttpRequest *request)
{
	return strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0 &&
		http_access_token(request) == NULL && http_is_foreign(request, true);
}

/* X-Original-Method is the method of the request about which the proxy asks. */
static void
handle_resolve(const HttpRequest *request, HttpResponse *response)
{
	HttpCaller	caller;
	Session		session;
	User		user;
	char		sub[UUID_TEXT_LENGTH + 1];

	caller = http_caller(request, &session, &user);
	if (caller == CALLER_KNOWN && is_cross_site_change(request))
	{
		http_oauth_error(response, 403, "access_denied", "cross-site request");
		return;
	}
	http_text(response, 200, "");
	http_no_store(response);
	if (caller == CALLER_NOBODY)
		return;
	add_boolean_header(response, "X-Authgear-Session-Valid", caller == CALLER_KNOWN);
	if (caller != CALLER_KNOWN)
		return;
	http_renew_session_cookie(request, &session, response);
	uuid_to_text(&user.id, sub);
	http_add_header(response, "X-Authgear-User-Id", sub);
	add_boolean_header(response, "X-Authgear-User-Anonymous", user.is_anonymous);
	add_boolean_header(response, "X-Authgear-User-Verified", user.is_verified);
	add_boolean_header(response, "X-Authgear-User-Can-Reauthenticate", !user.is_anonymous);
	if (user.roles.count > 0)
		http_add_header(response, "X-Authgear-User-Roles", join_roles(&user.roles));
	http_add_header(response, "X-Authgear-Session-Authenticated-At",
					psprintf(INT64_FORMAT, unix_seconds(session.authenticated_at)));
}

PG_FUNCTION_INFO_V1(anon_auth_http_resolve);
Datum
anon_auth_http_resolve(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_resolve, http_write_oauth_error);
}
