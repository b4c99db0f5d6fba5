/*-------------------------------------------------------------------------
 *
 * http_grant.h
 *	  Requests and responses that the grants of the token endpoint have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_GRANT_H
#define ANON_AUTH_HTTP_GRANT_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"

/*
 * The report of a request with x_device_info, a JSON object in base64url, and with the DPoP
 * proof.  Raises 22023 for a report that cannot be read, AA026 and AA027 unless the client
 * accepts the proof (dpop_admit()).
 */
extern DeviceReport http_grant_device(const HttpRequest *request, const Client *client,
									  const HttpParams *params);

/*
 * Have the client's token response contain an ID token, unless the request names scopes
 * without "openid".  Authgear's SDKs name none in the grants that have no authorization
 * request, and need the token.
 */
extern void http_grant_ask_for_id_token(const HttpParams *params, Client *client);

/* Answer RFC 6749, section 5.1.  There is no "sub": it is in the tokens. */
extern void http_grant_write_tokens(HttpResponse *response, const TokenResponse *tokens,
									bool with_refresh_token);

#endif							/* ANON_AUTH_HTTP_GRANT_H */
