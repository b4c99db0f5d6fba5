/*-------------------------------------------------------------------------
 *
 * discovery_endpoints.c
 *	  GET /.well-known/openid-configuration and GET /oauth2/jwks
 *	  (docs/authgear.md, 5.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/discovery.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "keyring/keyring.h"

static void
add_cache_control(HttpResponse *response, int max_age)
{
	http_add_header(response, "Cache-Control", psprintf("public, max-age=%d", max_age));
}

static void
handle_openid_configuration(const HttpRequest *request, HttpResponse *response)
{
	http_json(response, 200, discovery_document());
	add_cache_control(response, JWKS_MAX_AGE_SECONDS);
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
	add_cache_control(response, keyring_jwks_max_age());
}

PG_FUNCTION_INFO_V1(anon_auth_http_jwks);
Datum
anon_auth_http_jwks(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_jwks, http_write_oauth_error);
}
