/*-------------------------------------------------------------------------
 *
 * http_page_caller.h
 *	  Whose session a settings page shows: that of the app which opened the page in this
 *	  browser or, if there is none, that of the browser's session cookie.
 *
 * Only settings pages use these functions.  The cookie of an app's session counts nowhere
 * else, so that a former one does not replace the browser's own login.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_PAGE_CALLER_H
#define ANON_AUTH_HTTP_PAGE_CALLER_H

#include "postgres.h"

#include "base/string_list.h"
#include "http/http_caller.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "lib/stringinfo.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Fill session and user.  session->authenticated_at is the time of the last login that this
 * browser knows of.  Returns CALLER_KNOWN, CALLER_INVALID or CALLER_NOBODY.
 */
extern HttpCaller http_page_caller(const HttpRequest *request, Session *session, User *user);

/*
 * Set the cookie of the session that http_page_caller() found again if it is due:
 * that of an app's session after some minutes, a session cookie as
 * http_renew_session_cookie().  Every page calls it.  The caller forbids caches to store the
 * response.
 */
extern void http_page_renew_cookie(const HttpRequest *request, const Session *session,
								   HttpResponse *response);

/*
 * Note that the user of a session has just logged in again on a page, by the methods amr
 * (auth_methods.h).  The session of a cookie is replaced by a new one, of which session is
 * filled.  For an app's session, only this browser knows of the login: it does not make
 * another holder of the refresh token one who has logged in recently.  The caller holds the
 * user's row.
 */
extern void http_page_logged_in(const HttpRequest *request, Session *session, const User *user,
								const StringList *amr, HttpResponse *response);

/* Let the settings pages of this browser show the session of an app. */
extern void http_page_open_app_session(const HttpRequest *request, const Session *session,
									   HttpResponse *response);

/* Remove the cookie of a session that has ended from the browser. */
extern void http_page_clear_cookie(const HttpRequest *request, const Session *session,
								   HttpResponse *response);

/*
 * Add to the model of a page for which user its forms are, and return whether a form that
 * was sent is for this user.  The caller may be another one since the form was shown, and
 * must not change anything then.
 */
extern void http_page_add_form_owner(StringInfo model, const User *user);
extern bool http_page_owns_form(const HttpParams *form, const User *user);

#endif							/* ANON_AUTH_HTTP_PAGE_CALLER_H */
