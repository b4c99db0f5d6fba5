/*-------------------------------------------------------------------------
 *
 * http_endpoint.h
 *	  What every function of schema anon_auth_http does: read the request, handle
 *	  it, respond.
 *
 * A handler runs in a subtransaction.  If it raises a refusal, the subtransaction
 * is rolled back and the refusal becomes a response: a refused call has written
 * nothing, although PostgREST commits.
 *
 * An endpoint is a file with a handler and, where the errors have a form of
 * their own, an error writer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_ENDPOINT_H
#define ANON_AUTH_HTTP_ENDPOINT_H

#include "postgres.h"

#include "fmgr.h"
#include "http/http_response.h"

typedef void (*HttpHandler) (const HttpRequest *request, HttpResponse *response);
typedef void (*HttpErrorWriter) (const HttpRequest *request, const ErrorData *error,
								 HttpResponse *response);

/*
 * Serve a call of a SQL function (body text) RETURNS text: run the handler, or
 * write_error if it raised an error.
 */
extern Datum http_serve(FunctionCallInfo fcinfo, HttpHandler handler,
						HttpErrorWriter write_error);

#endif							/* ANON_AUTH_HTTP_ENDPOINT_H */
