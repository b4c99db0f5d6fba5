/*-------------------------------------------------------------------------
 *
 * http_errors.h
 *	  Caught errors, and the forms in which endpoints answer them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_ERRORS_H
#define ANON_AUTH_HTTP_ERRORS_H

#include "postgres.h"

#include "base/subtransaction.h"
#include "http/http_response.h"

/*
 * Run an action in a subtransaction.  Return NULL if it succeeded, or the error
 * that it raised, with all its changes undone.  Errors that PostgreSQL, PostgREST
 * or an operator must handle (a cancelled query, lack of memory, a serialization
 * failure, a read-only transaction) are raised again instead.  An error that is
 * no refusal is logged.
 */
extern ErrorData *http_try(SubtransactionAction action, void *arg);

/*
 * True if the error is a refusal: the client's request caused it.  False if it is a lock
 * timeout, or a fault of the server or its setup, which is answered with 500.
 */
extern bool http_is_refusal(const ErrorData *error);

/* True if the error tells the client to wait (AA018, AA019). */
extern bool http_is_rate_limit(const ErrorData *error);

/* True if lock_timeout ended a wait for another transaction: the same request may succeed. */
extern bool http_is_lock_timeout(const ErrorData *error);

/*
 * The seconds to wait that the DETAIL of AA018 or AA019 says, or a minute if it does not
 * say, and for AA025.  1 after a lock timeout.  0 for other errors.
 */
extern int	http_retry_after(const ErrorData *error);

/*
 * Return a text with only the characters that an error_description may have (RFC 6749,
 * section 5.2): quotes and backslashes are replaced by similar ones, all other characters by
 * question marks.
 */
extern char *http_error_description(const char *text);

/* Answer {"error": ..., "error_description": ...} (RFC 6749, section 5.2). */
extern void http_oauth_error(HttpResponse *response, int status, const char *error,
							 const char *description);

/* Return the value of WWW-Authenticate for the scheme DPoP (RFC 9449, section 7.1). */
extern char *http_dpop_challenge(const char *error, const char *description);

/*
 * Return the value of WWW-Authenticate for the scheme of the request's access token.  Add a
 * challenge for the scheme DPoP if the token needs it, but has another scheme (RFC 9449,
 * section 7.2).
 */
extern char *http_token_challenge(const HttpRequest *request, const char *error,
								  const char *description, bool needs_dpop);

/*
 * Answer an error of OAuth 2 with another code and description than it usually has.  The
 * body has the x_code and x_detail of the error.
 */
extern void http_write_oauth_error_as(HttpResponse *response, int status, const char *code,
									  const char *description, const ErrorData *error);

/*
 * Answer 401 with an error in the body and in the challenge (RFC 6750, section 3).
 * Authgear's SDKs delete their session on invalid_grant, so only the end of a session
 * is answered with it.
 */
extern void http_unauthorized(const HttpRequest *request, HttpResponse *response,
							  const char *error, const char *description);

/*
 * Fill code and description with the "error" and "error_description" of OAuth 2
 * for an error (docs/authgear.md, 1.3), and return the status.
 */
extern int	http_classify_oauth_error(const ErrorData *error, const char **code,
									  const char **description);

/*
 * Answer {"error": {"name", "reason", "message", "code", "info"}}
 * (docs/authgear.md, 2.5).  info is JSON or NULL.
 */
extern void http_api_error(HttpResponse *response, int status, const char *name,
						   const char *reason, const char *message, const char *info);

/* The two forms as an HttpErrorWriter; see http_endpoint.h. */
extern void http_write_oauth_error(const HttpRequest *request, const ErrorData *error,
								   HttpResponse *response);
extern void http_write_api_error(const HttpRequest *request, const ErrorData *error,
								 HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_ERRORS_H */
