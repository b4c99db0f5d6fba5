/*-------------------------------------------------------------------------
 *
 * http_page_caller.c
 *	  Whose session a settings page shows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/app_session.h"
#include "domain/cookie_session.h"
#include "domain/form_owner.h"
#include "domain/session.h"
#include "http/http_page_caller.h"
#include "json/json_write.h"

/* The name of the cookie, without the prefix. */
#define APP_SESSION_COOKIE	"app_session"

/* As in install/http/40_page.sql. */
#define OWNER_PARAMETER	"x_user"

/* Find the session of an app that this browser has opened; *issued_at is of its cookie. */
static HttpCaller
find_app_session(const HttpRequest *request, Session *session, User *user, TimestampTz *issued_at)
{
	char	   *cookie = http_cookie(request, APP_SESSION_COOKIE);

	if (cookie == NULL)
		return CALLER_NOBODY;
	return app_session_find(cookie, request->now, session, user, issued_at) ? CALLER_KNOWN :
		CALLER_INVALID;
}

HttpCaller
http_page_caller(const HttpRequest *request, Session *session, User *user)
{
	TimestampTz issued_at;
	HttpCaller	app = find_app_session(request, session, user, &issued_at);
	HttpCaller	caller;

	if (app == CALLER_KNOWN)
		return CALLER_KNOWN;
	caller = http_cookie_caller(request, session, user);
	return caller == CALLER_NOBODY ? app : caller;
}

void
http_page_renew_cookie(const HttpRequest *request, const Session *session, HttpResponse *response)
{
	TimestampTz issued_at;
	Session		found;
	User		user;

	if (session->session_type == SESSION_COOKIE)
		(void) http_renew_session_cookie(request, session, response);
	else if (find_app_session(request, &found, &user, &issued_at) == CALLER_KNOWN &&
			 request->now - issued_at >= APP_SESSION_RENEWAL_SECONDS * USECS_PER_SEC)
		http_page_open_app_session(request, session, response);
}

void
http_page_logged_in(const HttpRequest *request, Session *session, const User *user,
					const StringList *amr, HttpResponse *response)
{
	TimestampTz now = request->now;
	User		same;
	char	   *cookie;

	if (session->session_type != SESSION_COOKIE)
	{
		session->authenticated_at = now;
		http_page_open_app_session(request, session, response);
		return;
	}
	cookie = http_replace_session(request, session->client_id, user, amr,
								  cookie_session_device_info(session));
	http_set_session_cookie(request, response, cookie, now);
	if (!cookie_session_find(cookie, now, session, &same))
		elog(ERROR, "could not find a session that has just begun");
}

void
http_page_open_app_session(const HttpRequest *request, const Session *session,
						   HttpResponse *response)
{
	http_set_settings_cookie(request, response, APP_SESSION_COOKIE,
							 app_session_write_cookie(session, request->now));
}

void
http_page_clear_cookie(const HttpRequest *request, const Session *session, HttpResponse *response)
{
	if (session->session_type == SESSION_COOKIE)
		http_clear_session_cookie(request, response);
	else
		http_clear_settings_cookie(request, response, APP_SESSION_COOKIE);
}

void
http_page_add_form_owner(StringInfo model, const User *user)
{
	json_add_string(model, "form_owner", form_owner_write(&user->id));
}

bool
http_page_owns_form(const HttpParams *form, const User *user)
{
	return form_owner_is(http_param(form, OWNER_PARAMETER), &user->id);
}
