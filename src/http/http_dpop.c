/*-------------------------------------------------------------------------
 *
 * http_dpop.c
 *	  The DPoP proof of a request (RFC 9449).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/span.h"
#include "domain/discovery.h"
#include "http/http_dpop.h"
#include "utils/guc.h"

/*
 * Return the URI of a request.  Scheme and host are those of the issuer: the header Host is
 * what the client says.  Without a reverse proxy, the path is that at PostgREST.  A proxy
 * in front of the reverse proxy may have removed the path of the issuer.
 */
static char *
uri_of_request(const HttpRequest *request)
{
	const char *issuer = discovery_issuer();
	char	   *origin = http_origin_of(issuer);
	const char *base = issuer + strlen(origin);
	const char *path = http_header(request, "x-original-path");

	if (path == NULL)
		path = GetConfigOption("request.path", true, false);
	if (path == NULL)
		path = "";
	return psprintf("%s%s", strncmp(path, base, strlen(base)) == 0 ? origin : issuer, path);
}

DpopCheck *
http_dpop(const HttpRequest *request)
{
	char	   *token = http_access_token(request);
	Span		access_token = {token, token == NULL ? 0 : strlen(token)};

	if (*request->dpop == NULL)
		*request->dpop = dpop_check(http_header(request, "dpop"), request->real_method,
									uri_of_request(request),
									http_has_dpop_token(request) ? &access_token : NULL,
									request->now);
	return *request->dpop;
}

void
http_add_dpop_nonce(const HttpRequest *request, HttpResponse *response)
{
	char	   *nonce = *request->dpop == NULL ? NULL : dpop_next_nonce(*request->dpop);

	if (nonce != NULL)
		http_add_header(response, "DPoP-Nonce", nonce);
}
