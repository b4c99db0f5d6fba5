/*-------------------------------------------------------------------------
 *
 * http_device_key_grant.h
 *	  The grant of the token endpoint for device keys of accounts, which Authgear calls
 *	  biometric login (docs/http.md).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_DEVICE_KEY_GRANT_H
#define ANON_AUTH_HTTP_DEVICE_KEY_GRANT_H

#include "postgres.h"

#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"

/*
 * GRANT_BIOMETRIC_REQUEST.  The action in the jwt says what is wanted: setup adds the key to
 * the account of the access token, authenticate logs in.
 */
extern void http_device_key_grant(const HttpRequest *request, const Client *client,
								  const HttpParams *params, HttpResponse *response);

/* Answer an error of the grant.  Return false if it is answered as those of other grants. */
extern bool http_device_key_write_error(const HttpRequest *request, const HttpParams *params,
										const ErrorData *error, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_DEVICE_KEY_GRANT_H */
