/*-------------------------------------------------------------------------
 *
 * http.h
 *	  The HTTP face: what PostgREST hands to a function of anon_auth_http, and
 *	  what it takes back.
 *
 * A reverse proxy turns every request into POST /rpc/<function> with the raw
 * body as text/plain (PostgREST would refuse parameters that a function does
 * not declare, which OAuth 2 forbids), and passes what gets lost by that in
 * headers: X-Original-Method, X-Original-Content-Type, X-Original-Query,
 * X-Original-Authorization.  See examples/postgrest/nginx.conf.
 *
 * A handler runs in a subtransaction.  Where it raises a refusal, that is
 * rolled back and the refusal becomes a response in the form that the endpoint
 * has for it: a refused call has written nothing, although PostgREST commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_H
#define ANON_AUTH_HTTP_H

#include "postgres.h"

#include "base/subtransaction.h"
#include "domain/authorization.h"
#include "domain/domain.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

/* ---- the request (request.c) ---- */

/* Decoded parameters of a query string or a form. */
typedef struct HttpParams
{
	int			count;
	char	  **names;
	char	  **values;
} HttpParams;

typedef struct HttpRequest
{
	TimestampTz now;
	char	   *method;			/* the client's, upper case */
	char	   *body;
	Jsonb	   *headers;		/* names in lower case; NULL: none */
	Jsonb	   *cookies;
	BrowserPolicy policy;
} HttpRequest;

/* A request without headers and cookies, as far as an error response needs it. */
extern void http_request_begin(HttpRequest *request, const char *body);

/* Reads headers and cookies.  Raises this SQLSTATE where they cannot be read. */
extern void http_request_read(HttpRequest *request, int sqlstate);

/* NULL where there is none. */
extern char *http_header(const HttpRequest *request, const char *name);

/* A cookie of ours, by its name without settings.cookie_prefix. */
extern char *http_cookie(const HttpRequest *request, const char *name);

/* The token of "Authorization: Bearer ..."; NULL: no such header. */
extern char *http_bearer_token(const HttpRequest *request);

/* Whether the client said that the body is of this media type, in UTF-8.  What
 * no proxy has brought is taken to be. */
extern bool http_content_type_is(const HttpRequest *request, const char *media_type);

/* The origin of a URI (RFC 6454), or the URI's scheme and colon where it is
 * not hierarchical. */
extern char *http_origin_of(const char *uri);

/*
 * Whether a browser says that it sent this on behalf of a page of another site,
 * or of an origin other than the issuer's; with clients_too those of the
 * clients' redirect URIs will do as well.
 */
extern bool http_is_foreign(const HttpRequest *request, bool clients_too);

/* ---- forms (form.c) ---- */

/*
 * Query parameters; those of the form in the body; those in a text.  Raise
 * 22023 for what is not application/x-www-form-urlencoded in UTF-8.
 */
extern void http_parse_params(const char *text, HttpParams *params);
extern void http_query(const HttpRequest *request, HttpParams *params);
extern void http_form(const HttpRequest *request, HttpParams *params);

/* Those of the query for GET, else of the form. */
extern void http_params(const HttpRequest *request, HttpParams *params);

/*
 * A parameter, or NULL when it is absent or empty (RFC 6749, section 3.1).
 * Raises 22023 when it is there twice.
 */
extern char *http_param(const HttpParams *params, const char *name);

/* Percent-encodes all but unreserved characters (RFC 3986, section 2.3). */
extern void http_append_encoded(StringInfo url, const char *value);

/* Appends name=value to a URI, behind ? or &; NULL values are left out. */
extern void http_append_param(StringInfo url, const char *name, const char *value);

/* ---- the response (response.c) ---- */

typedef struct HttpResponse
{
	int			status;
	StringInfoData headers;		/* JSON array without its last bracket */
	char	   *body;
} HttpResponse;

extern void http_response_begin(HttpResponse *response);
extern void http_add_header(HttpResponse *response, const char *name, const char *value);
extern void http_no_store(HttpResponse *response);

/* Whether it means that the client is to wait. */
extern bool http_is_rate_limit(const ErrorData *error);

/* Says when to try again, if the status is 429 (RFC 6585, section 4). */
extern void http_retry_after(HttpResponse *response);

/* Sets status, media type and body. */
extern void http_json(HttpResponse *response, int status, char *json);
extern void http_text(HttpResponse *response, int status, const char *text);
extern void http_redirect(HttpResponse *response, const char *location);

/* The cookies of a cookie session, set and cleared. */
extern void http_set_session_cookie(const HttpRequest *request, HttpResponse *response,
									const char *value);
extern void http_clear_session_cookie(const HttpRequest *request, HttpResponse *response);

/* A cookie of ours that lives as long as the browser. */
extern void http_set_browser_cookie(const HttpRequest *request, HttpResponse *response,
									const char *name, const char *value);

/* Hands the response to PostgREST and returns its body. */
extern Datum http_respond(HttpResponse *response);

/* ---- errors (try.c, oauth_error.c, api_error.c) ---- */

/*
 * Runs an action in a subtransaction.  NULL: it went well.  Else what it
 * raised, all that it did being undone.  What PostgreSQL or an operator must
 * deal with (cancelled, out of memory, serialization failure, read-only) is
 * raised again instead.
 */
extern ErrorData *http_try(SubtransactionAction action, void *arg);

/* Whether the caller is to blame; otherwise we are, and it has been logged. */
extern bool http_is_refusal(const ErrorData *error);

/* {"error": ..., "error_description": ...} (RFC 6749, section 5.2). */
extern void http_oauth_error(HttpResponse *response, int status, const char *error,
							 const char *description);

/* The OAuth 2 code of an error and what to say of it (docs/authgear.md, 1.3);
 * returns the status. */
extern int	http_oauth_error_of(const ErrorData *error, const char **code,
								const char **description);

/* {"error": {"name", "reason", "message", "code", "info"}} (docs/authgear.md,
 * 2.5); info: JSON or NULL. */
extern void http_api_error(HttpResponse *response, int status, const char *name,
						   const char *reason, const char *message, const char *info);

/* ---- serving (serve.c) ---- */

typedef void (*HttpHandler) (const HttpRequest *request, HttpResponse *response);
typedef void (*HttpErrorWriter) (const HttpRequest *request, const ErrorData *error,
								 HttpResponse *response);

/* What a function of anon_auth_http is: reads, handles, responds. */
extern Datum http_serve(FunctionCallInfo fcinfo, HttpHandler handler,
						HttpErrorWriter write_error);

/* The two forms of errors, as HttpErrorWriters. */
extern void http_write_oauth_error(const HttpRequest *request, const ErrorData *error,
								   HttpResponse *response);
extern void http_write_api_error(const HttpRequest *request, const ErrorData *error,
								 HttpResponse *response);

/* ---- JSON bodies of /api and /oauth2/challenge (api_body.c) ---- */

/* What a member of a body may be. */
typedef struct HttpMember
{
	const char *name;
	bool		required;
	const char *const *values;	/* those allowed, NULL-terminated; or NULL */
} HttpMember;

/*
 * A body that is one JSON object with string members of these names only.
 * NULL: response tells what is wrong with it.
 */
extern Jsonb *http_api_body(const HttpRequest *request, const HttpMember *members, int count,
							HttpResponse *response);

/* ---- who is calling (caller.c) ---- */

typedef enum HttpCaller
{
	CALLER_NOBODY,				/* showed nothing */
	CALLER_INVALID,				/* showed something that is not, or no longer, valid */
	CALLER_KNOWN
} HttpCaller;

/* The session of the access token or, without one, of the cookie. */
extern HttpCaller http_caller(const HttpRequest *request, Session *session, User *user);

/* The session of the cookie alone. */
extern HttpCaller http_cookie_caller(const HttpRequest *request, Session *session, User *user);

/* ---- pages (page.c) ---- */

/* Renders a page from its model; see anon_auth_http.page(). */
extern void http_page(HttpResponse *response, int status, const char *model);

/* Opens a model for a page, with what all pages have. */
extern void http_page_begin(StringInfo model, const HttpRequest *request, const char *view,
							const char *ui_locales);

/* [string], for a model. */
extern char *http_json_array(const char *string);

/* A page that only says something; client and continue_uri may be NULL. */
extern void http_message_page(const HttpRequest *request, HttpResponse *response, int status,
							  const char *message, const char *client_name,
							  const char *continue_uri, const char *ui_locales);

/* The error of last resort where a page was asked for: one line of text. */
extern void http_write_page_error(const HttpRequest *request, const ErrorData *error,
								  HttpResponse *response);

/* ---- pages between authorize and the client's redirect URI (flow.c) ---- */

/* The form was understood but cannot be accepted as it is. */
#define HTTP_UNACCEPTABLE	422

/* No login ID is longer than this, and none such is sent back. */
#define HTTP_MAX_LOGIN_ID	1000

typedef struct HttpFlow
{
	const HttpRequest *request;
	char	   *x_ref;
	AuthorizationRequest authorization;
	Client		client;

	/* Who is logged in at the end, and what shows it */
	User		user;
	char	   *code;
	char	   *cookie;
} HttpFlow;

/* False when this browser has no such flow, which response says then. */
extern bool http_flow_open(HttpFlow *flow, const HttpRequest *request, HttpResponse *response);

/* Opens a page's model with what the pages of a flow have. */
extern void http_flow_begin_page(StringInfo model, const HttpFlow *flow, const char *view);
extern void http_flow_message(const HttpFlow *flow, int status, const char *message,
							  HttpResponse *response);

/* Gives flow->user what the client asked for: a code or a cookie session. */
extern void http_flow_finish(HttpFlow *flow);

/* Back to the client with it. */
extern void http_flow_redirect(const HttpFlow *flow, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_H */
