/*-------------------------------------------------------------------------
 *
 * discovery_endpoints.c
 *	  GET /.well-known/openid-configuration and GET /oauth2/jwks
 *	  (docs/authgear.md, 5.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/discovery.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "keyring/keyring.h"

/* Long enough to spare requests, short enough for a new key. */
#define CACHE_CONTROL	"public, max-age=60"

static void
handle_openid_configuration(const HttpRequest *request, HttpResponse *response)
{
	http_json(response, 200, discovery_document());
	http_add_header(response, "Cache-Control", CACHE_CONTROL);
}

PG_FUNCTION_INFO_V1(anon_auth_http_openid_configuration);
Datum
anon_auth_http_openid_configuration(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_openid_configuration, http_write_oauth_error);
}

static void
handle_jwks(const HttpRequest *request, HttpResponse *response)
{
	http_json(response, 200, keyring_jwks());
	http_add_header(response, "Cache-Control", CACHE_CONTROL);
}

PG_FUNCTION_INFO_V1(anon_auth_http_jwks);
Datum
anon_auth_http_jwks(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_jwks, http_write_oauth_error);
}
