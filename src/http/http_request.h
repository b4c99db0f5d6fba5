/*-------------------------------------------------------------------------
 *
 * http_request.h
 *	  The client's request, as PostgREST and the reverse proxy pass it on.
 *
 * The reverse proxy turns every request into POST /rpc/<function> with the raw
 * body as text/plain: PostgREST would refuse parameters that a function does
 * not declare, which OAuth 2 forbids.  It passes the parts that get lost in
 * headers: X-Original-Method, X-Original-Content-Type, X-Original-Query and
 * X-Original-Authorization.  See examples/postgrest/nginx.conf.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_REQUEST_H
#define ANON_AUTH_HTTP_REQUEST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "store/settings.h"
#include "utils/jsonb.h"

typedef struct HttpRequest
{
	TimestampTz now;
	char	   *method;			/* of the client's request, in upper case */
	char	   *body;			/* never NULL */
	Jsonb	   *headers;		/* by name in lower case; NULL: none */
	Jsonb	   *cookies;		/* by name; NULL: none */
	BrowserPolicy policy;
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

/* The value of a cookie, by its name without settings.cookie_prefix, or NULL. */
extern char *http_cookie(const HttpRequest *request, const char *name);

/* The token of the header "Authorization: Bearer ...", or NULL. */
extern char *http_bearer_token(const HttpRequest *request);

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

/*
 * True if a browser reports that a page of another site, or of another origin
 * than the issuer's, made the request.  With allow_clients, the origins of the
 * clients' redirect URIs are accepted as well.
 */
extern bool http_is_foreign(const HttpRequest *request, bool allow_clients);

#endif							/* ANON_AUTH_HTTP_REQUEST_H */
