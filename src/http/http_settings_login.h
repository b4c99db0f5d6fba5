/*-------------------------------------------------------------------------
 *
 * http_settings_login.h
 *	  The way from a settings page that nobody is logged in to see to the log-in, and back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_SETTINGS_LOGIN_H
#define ANON_AUTH_HTTP_SETTINGS_LOGIN_H

#include "postgres.h"

#include "http/http_request.h"
#include "http/http_response.h"

/*
 * Redirect the browser to the log-in of the client that settings.page_client_id names.  The
 * user comes back to next, the path of a settings page with the query that it needs.  If there
 * is no such client, or it cannot have cookie sessions, answer as http_settings_signed_out().
 */
extern void http_settings_log_in(const HttpRequest *request, const char *next,
								 const char *ui_locales, HttpResponse *response);

/* Answer with a page that says that nobody is logged in, and leads to that client if it can. */
extern void http_settings_signed_out(const HttpRequest *request, const char *ui_locales,
									 HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_SETTINGS_LOGIN_H */
