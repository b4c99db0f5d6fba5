/*-------------------------------------------------------------------------
 *
 * http_endpoint.c
 *	  What every function of schema anon_auth_http does: read the request, handle
 *	  it, respond.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "utils/builtins.h"

typedef struct Serving
{
	HttpHandler handler;
	HttpRequest request;
	HttpResponse response;
} Serving;

/* Read and handle the request of a Serving; arg is void * for http_try(). */
static void
read_and_handle(void *arg)
{
	Serving    *serving = arg;

	http_request_read(&serving->request, ERRCODE_INVALID_PARAMETER_VALUE);
	serving->handler(&serving->request, &serving->response);
}

Datum
http_serve(FunctionCallInfo fcinfo, HttpHandler handler, HttpErrorWriter write_error)
{
	Serving		serving;
	ErrorData  *error;

	serving.handler = handler;
	http_request_begin(&serving.request,
					   PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)));
	http_response_begin(&serving.response);
	error = http_try(read_and_handle, &serving);
	if (error != NULL)
	{
		/* Drop what the handler wrote. */
		http_response_begin(&serving.response);
		write_error(&serving.request, error, &serving.response);
	}
	http_add_dpop_nonce(&serving.request, &serving.response);
	return http_respond(&serving.response);
}
