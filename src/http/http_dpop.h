/*-------------------------------------------------------------------------
 *
 * http_dpop.h
 *	  The DPoP proof of a request (RFC 9449).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_DPOP_H
#define ANON_AUTH_HTTP_DPOP_H

#include "postgres.h"

#include "domain/dpop.h"
#include "http/http_request.h"
#include "http/http_response.h"

/*
 * Return the result of checking the header DPoP: for the method and the URI of the request,
 * and for its access token if that has the scheme DPoP.  It is checked once for each request.
 */
extern DpopCheck *http_dpop(const HttpRequest *request);

/*
 * Give the client the nonce of its next proof, if settings.dpop_nonce is on and http_dpop()
 * has checked one (RFC 9449, section 8.2).
 */
extern void http_add_dpop_nonce(const HttpRequest *request, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_DPOP_H */
