/*-------------------------------------------------------------------------
 *
 * http_response.h
 *	  The response: status, headers, cookies and body, handed to PostgREST.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_RESPONSE_H
#define ANON_AUTH_HTTP_RESPONSE_H

#include "postgres.h"

#include "fmgr.h"
#include "http/http_request.h"
#include "lib/stringinfo.h"

typedef struct HttpResponse
{
	int			status;
	StringInfoData headers;		/* a JSON array without its last bracket */
	char	   *body;
} HttpResponse;

/* Begin an empty response with status 200. */
extern void http_response_begin(HttpResponse *response);

/*
 * Add a header.  Raises an internal error for a control character in it, which could
 * begin another header: callers encode untrusted text first.
 */
extern void http_add_header(HttpResponse *response, const char *name, const char *value);

/* Forbid browsers and proxies to store the response (RFC 6749, section 5.1). */
extern void http_no_store(HttpResponse *response);

/* Add Retry-After to a response with status 429 (RFC 6585, 4).  0 seconds: do nothing. */
extern void http_add_retry_after(HttpResponse *response, int seconds);

/* Set status, media type and body. */
extern void http_json(HttpResponse *response, int status, char *json);
extern void http_text(HttpResponse *response, int status, const char *text);

/*
 * If the request is a prefetch, refuse it with 503 and return true.  The page of another site
 * can cause one without a click.  When the user opens the page, the browser asks again.
 */
extern bool http_refuse_prefetch(const HttpRequest *request, HttpResponse *response);

/* Redirect to a URI with 303. */
extern void http_redirect(HttpResponse *response, const char *location);

/*
 * Set and clear the cookie of a cookie session.  The browser keeps the cookie until the
 * lifetime of a session that started at started_at ends.
 */
extern void http_set_session_cookie(const HttpRequest *request, HttpResponse *response,
									const char *value, TimestampTz started_at);
extern void http_clear_session_cookie(const HttpRequest *request, HttpResponse *response);

/* Set a cookie of ours that the browser keeps until it is closed. */
extern void http_set_browser_cookie(const HttpRequest *request, HttpResponse *response,
									const char *name, const char *value);

/*
 * Set and clear a cookie for the settings pages that the browser keeps until it is closed.
 * Its path is /settings below the issuer's.  With the prefix __Host- it is /, because
 * browsers accept no other: the name is then the protection.
 */
extern void http_set_settings_cookie(const HttpRequest *request, HttpResponse *response,
									 const char *name, const char *value);
extern void http_clear_settings_cookie(const HttpRequest *request, HttpResponse *response,
									   const char *name);

/*
 * Return the value of response.headers that has the headers of a response in addition to
 * those that functions have set in this transaction.  NULL if those cannot be read.
 */
extern char *http_add_to_postgrest_headers(const HttpResponse *response);

/* Hand status and headers to PostgREST, and return the body as text. */
extern Datum http_respond(HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_RESPONSE_H */
