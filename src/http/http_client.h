/*-------------------------------------------------------------------------
 *
 * http_client.h
 *	  The client that a request to the token endpoint names (RFC 6749, section 2.3).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_CLIENT_H
#define ANON_AUTH_HTTP_CLIENT_H

#include "postgres.h"

#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"

/*
 * Fill client from the parameter client_id, or from HTTP Basic authentication with an
 * empty password: all clients are public.  Return false if Basic authentication is
 * malformed, has a password, or names an unknown client or another one than the
 * parameter; the response is then 401 invalid_client.  Raises AA001 if the parameter
 * names no client, 22023 if it is given twice.
 */
extern bool http_client(const HttpRequest *request, const HttpParams *params, Client *client,
						HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_CLIENT_H */
