/*-------------------------------------------------------------------------
 *
 * http_authorization.c
 *	  Authorization responses: the URI that takes a browser back to the client
 *	  (RFC 6749, section 4.1.2; RFC 9207).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/discovery.h"
#include "http/http_authorization.h"
#include "http/http_errors.h"
#include "http/http_params.h"
#include "lib/stringinfo.h"

/* iss lets a client of several servers see which of them has answered (RFC 9207). */
static char *
finish_uri(StringInfo uri, const char *state)
{
	http_append_param(uri, "state", state);
	http_append_param(uri, "iss", discovery_issuer());
	return uri->data;
}

char *
http_authorization_response(const char *redirect_uri, const char *code, const char *state)
{
	StringInfoData uri;

	initStringInfo(&uri);
	appendStringInfoString(&uri, redirect_uri);
	http_append_param(&uri, "code", code);
	return finish_uri(&uri, state);
}

char *
http_authorization_error(const char *redirect_uri, const char *error, const char *description,
						 const char *state)
{
	StringInfoData uri;

	initStringInfo(&uri);
	appendStringInfoString(&uri, redirect_uri);
	http_append_param(&uri, "error", error);
	http_append_param(&uri, "error_description", http_error_description(description));
	return finish_uri(&uri, state);
}
