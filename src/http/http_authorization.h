/*-------------------------------------------------------------------------
 *
 * http_authorization.h
 *	  Authorization responses: the URI that takes a browser back to the client
 *	  (RFC 6749, section 4.1.2; RFC 9207).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_AUTHORIZATION_H
#define ANON_AUTH_HTTP_AUTHORIZATION_H

#include "postgres.h"

/*
 * Return redirect_uri with code, state and iss.  code is NULL for a client that uses
 * cookies, state if the request had none.
 */
extern char *http_authorization_response(const char *redirect_uri, const char *code,
										 const char *state);

/* Return redirect_uri with error, error_description, state and iss.  state may be NULL. */
extern char *http_authorization_error(const char *redirect_uri, const char *error,
									  const char *description, const char *state);

#endif							/* ANON_AUTH_HTTP_AUTHORIZATION_H */
