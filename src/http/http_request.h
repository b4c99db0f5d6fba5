/*-------------------------------------------------------------------------
 *
 * http_request.h
 *	  The client's request, as PostgREST and the reverse proxy pass it on.
 *
 * The reverse proxy turns every request into POST /rpc/<function> with the raw
 * body as text/plain: PostgREST would refuse parameters that a function does
 * not declare, which OAuth 2 forbids.  It passes the parts that get lost in
 * headers: X-Original-Method, X-Original-Path, X-Original-Content-Type,
 * X-Original-Query and X-Original-Authorization.  See examples/postgrest/nginx.conf.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_REQUEST_H
#define ANON_AUTH_HTTP_REQUEST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "domain/device_report.h"
#include "store/settings.h"
#include "utils/jsonb.h"

typedef struct HttpRequest
{
	TimestampTz now;
	char	   *method;			/* of the client's request, in upper case; GET for HEAD */
	const char *real_method;	/* as the client wrote it */
	bool		is_head;
	char	   *body;			/* never NULL */
	Jsonb	   *headers;		/* by name in lower case; NULL: none */
	Jsonb	   *cookies;		/* by name; NULL: none */
	BrowserPolicy policy;
	struct DpopCheck **dpop;	/* where http_dpop() keeps its result */
} HttpRequest;

/*
 * Begin a request with a body and without headers and cookies.  An error response
 * needs no more.
 */
extern void http_request_begin(HttpRequest *request, const char *body);

/* Read headers and cookies.  Raises an error with this SQLSTATE if they are malformed. */
extern void http_request_read(HttpRequest *request, int sqlstate);

/* The value of a header, by its name in lower case, or NULL. */
extern char *http_header(const HttpRequest *request, const char *name);

/*
 * The rest of the request's path (X-Original-Path) after a path of ours such as "/settings":
 * "" for that path itself.  NULL if the request is for another path, or no proxy says which.
 */
extern char *http_path_below(const HttpRequest *request, const char *path);

/* What the request reports about its device.  device_info may be NULL. */
extern DeviceReport http_device(const HttpRequest *request, Jsonb *device_info);

/* The prefix of our cookies' names: settings.cookie_prefix or its default. */
extern const char *http_cookie_prefix(const HttpRequest *request);

/* The value of a cookie, by its name without the prefix, or NULL. */
extern char *http_cookie(const HttpRequest *request, const char *name);

/*
 * The token of the header "Authorization: Bearer ..." or "Authorization: DPoP ...", or NULL if
 * there is no header with one of these schemes.  "" if the token is missing: the caller
 * refuses it as any other invalid token.
 */
extern char *http_access_token(const HttpRequest *request);

/* True if the scheme of the access token is DPoP. */
extern bool http_has_dpop_token(const HttpRequest *request);

/*
 * True if the client sent a body of this media type in UTF-8.  Also true if no
 * proxy set X-Original-Content-Type and X-Original-Method: the function was
 * called without one.
 */
extern bool http_content_type_is(const HttpRequest *request, const char *media_type);

/*
 * The origin of a URI (RFC 6454).  For a URI without an authority, such as that
 * of a native app, the scheme and the colon.
 */
extern char *http_origin_of(const char *uri);

/* Which page sent a request, as the browser reports it. */
typedef enum HttpOrigin
{
	ORIGIN_UNREPORTED,			/* no header says it: a program, or an old browser's GET */
	ORIGIN_OWN,					/* a page of the issuer's origin */
	ORIGIN_NO_PAGE,				/* no page, as the browser claims: see http_origin() */
	ORIGIN_CLIENT,				/* a page of a first-party client on the same site */
	ORIGIN_FOREIGN				/* any other page */
} HttpOrigin;

/*
 * Decide about the origin of a request by Sec-Fetch-Site and Origin.  Whole
 * origins are compared, byte for byte.  An origin that is opaque ("null") or that
 * cannot be read is foreign.
 *
 * Sec-Fetch-Site is "none" for an address that the user opened.  But a page can cause such
 * a request as well: by speculation rules, or by redirecting an address that the user
 * opened.  So ORIGIN_NO_PAGE does not show that the user wanted the request.
 */
extern HttpOrigin http_origin(const HttpRequest *request);

/*
 * For a request that changes something: true if a browser reports that the page of another
 * origin sent it.  With allow_clients, pages of first-party clients are accepted as
 * well.  Also true for ORIGIN_NO_PAGE: such requests have no form and send nothing.
 */
extern bool http_is_foreign(const HttpRequest *request, bool allow_clients);

/* True if a browser fetches a page before its user opens it (Sec-Purpose: prefetch). */
extern bool http_is_prefetch(const HttpRequest *request);

/*
 * False for HEAD, and if a browser reports that the response will not be shown as a page in a
 * tab.
 */
extern bool http_is_navigation(const HttpRequest *request);

#endif							/* ANON_AUTH_HTTP_REQUEST_H */
