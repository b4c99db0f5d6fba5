/*-------------------------------------------------------------------------
 *
 * http_request.c
 *	  The client's request, read from the configuration parameters that PostgREST
 *	  sets for a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "domain/client.h"
#include "domain/cookie_session.h"
#include "domain/discovery.h"
#include "http/http_request.h"
#include "json/json_read.h"
#include "json/json_setting.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

char *
http_header(const HttpRequest *request, const char *name)
{
	return request->headers == NULL ? NULL : json_cstring(request->headers, name);
}

DeviceReport
http_device(const HttpRequest *request, Jsonb *device_info)
{
	DeviceReport device = {.device_info = device_info,
	.user_agent = http_header(request, "user-agent")};

	return device;
}

void
http_request_begin(HttpRequest *request, const char *body)
{
	memset(request, 0, sizeof(HttpRequest));
	request->now = GetCurrentTimestamp();
	request->body = pstrdup(body);
	request->method = "POST";
	request->real_method = "POST";
	request->dpop = palloc0(sizeof(struct DpopCheck *));
	cookie_session_read_policy(&request->policy);
}

void
http_request_read(HttpRequest *request, int sqlstate)
{
	char	   *method;

	request->headers = json_setting_of_strings("request.headers", sqlstate);
	request->cookies = json_setting_of_strings("request.cookies", sqlstate);
	method = http_header(request, "x-original-method");
	if (method != NULL)
	{
		request->method = asc_toupper(method, strlen(method));
		request->real_method = method;
	}
	request->is_head = strcmp(request->method, "HEAD") == 0;
	if (request->is_head)
		request->method = "GET";
}

const char *
http_cookie_prefix(const HttpRequest *request)
{
	const BrowserPolicy *policy = &request->policy;

	if (policy->cookie_prefix != NULL)
		return policy->cookie_prefix;
	return policy->cookie_domain == NULL && strncmp(discovery_issuer(), "https:", 6) == 0 ?
		"__Host-" : "";
}

char *
http_cookie(const HttpRequest *request, const char *name)
{
	char	   *value;

	if (request->cookies == NULL)
		return NULL;
	value = json_cstring(request->cookies, psprintf("%s%s", http_cookie_prefix(request), name));
	return value == NULL || value[0] == '\0' ? NULL : value;
}

/*
 * Return what follows a scheme of the header Authorization, or NULL if it has another one.
 * A proxy can have removed the space after the scheme.
 */
static char *
after_scheme(const HttpRequest *request, const char *scheme)
{
	char	   *value = http_header(request, "x-original-authorization");

	if (value == NULL || value[0] == '\0')
		value = http_header(request, "authorization");
	if (value == NULL || pg_strncasecmp(value, scheme, strlen(scheme)) != 0)
		return NULL;
	value += strlen(scheme);
	if (isalnum((unsigned char) *value) || (*value != '\0' && strchr("-_", *value) != NULL))
		return NULL;			/* another scheme */
	return value + strspn(value, " ");
}

/* RFC 6750 and RFC 9449, section 7.1 */
char *
http_access_token(const HttpRequest *request)
{
	char	   *token = after_scheme(request, "Bearer");

	return token != NULL ? token : after_scheme(request, "DPoP");
}

bool
http_has_dpop_token(const HttpRequest *request)
{
	return after_scheme(request, "DPoP") != NULL;
}

/* Return what follows a prefix of a text, or NULL if the text has another beginning. */
static char *
without_prefix(char *text, const char *prefix)
{
	size_t		length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* A proxy in front of the reverse proxy may have removed the path of the issuer. */
char *
http_path_below(const HttpRequest *request, const char *path)
{
	const char *issuer = discovery_issuer();
	char	   *requested = http_header(request, "x-original-path");
	char	   *below;

	if (requested == NULL)
		return NULL;
	below = without_prefix(requested, issuer + strlen(http_origin_of(issuer)));
	if (below != NULL)
		below = without_prefix(below, path);
	if (below == NULL)
		below = without_prefix(requested, path);
	return below != NULL && (below[0] == '\0' || below[0] == '/') ? below : NULL;
}

bool
http_content_type_is(const HttpRequest *request, const char *media_type)
{
	char	   *value = http_header(request, "x-original-content-type");
	size_t		length = strlen(media_type);
	const char *charset;

	/* A page of another site can make a browser send a body without a type. */
	if (value == NULL)
		return http_header(request, "x-original-method") == NULL;
	if (pg_strncasecmp(value, media_type, length) != 0)
		return false;
	value += length;
	value += strspn(value, " \t");
	if (value[0] != '\0' && value[0] != ';')
		return false;
	charset = strstr(asc_tolower(value, strlen(value)), "charset=");
	return charset == NULL || strncmp(charset, "charset=utf-8", 13) == 0 ||
		strncmp(charset, "charset=\"utf-8\"", 15) == 0;
}

char *
http_origin_of(const char *uri)
{
	const char *authority = strstr(uri, "://");

	if (authority == NULL || strncmp(uri, "http", 4) != 0)
		return pnstrdup(uri, strcspn(uri, ":") + 1);
	return pnstrdup(uri, authority + 3 + strcspn(authority + 3, "/?#") - uri);
}

/* True if a header is absent or has this value. */
static bool
header_is_absent_or(const HttpRequest *request, const char *name, const char *expected)
{
	char	   *value = http_header(request, name);

	return value == NULL || strcmp(value, expected) == 0;
}

/* Browsers without Sec-Fetch-Site send Origin with every POST. */
HttpOrigin
http_origin(const HttpRequest *request)
{
	char	   *site = http_header(request, "sec-fetch-site");
	char	   *origin = http_header(request, "origin");

	if (site == NULL && origin == NULL)
		return ORIGIN_UNREPORTED;
	if (origin != NULL && strcmp(origin, http_origin_of(discovery_issuer())) != 0)
		return header_is_absent_or(request, "sec-fetch-site", "same-site") &&
			client_any_has_origin(origin) ? ORIGIN_CLIENT : ORIGIN_FOREIGN;
	if (site == NULL || strcmp(site, "same-origin") == 0)
		return ORIGIN_OWN;
	if (strcmp(site, "none") == 0)
		return origin != NULL ? ORIGIN_OWN : ORIGIN_NO_PAGE;
	return ORIGIN_FOREIGN;
}

bool
http_is_foreign(const HttpRequest *request, bool allow_clients)
{
	switch (http_origin(request))
	{
		case ORIGIN_UNREPORTED:
		case ORIGIN_OWN:
			return false;
		case ORIGIN_CLIENT:
			return !allow_clients;
		case ORIGIN_NO_PAGE:
		case ORIGIN_FOREIGN:
			break;
	}
	return true;
}

bool
http_is_prefetch(const HttpRequest *request)
{
	char	   *purpose = http_header(request, "sec-purpose");

	return purpose != NULL && pg_strncasecmp(purpose, "prefetch", 8) == 0;
}

bool
http_is_navigation(const HttpRequest *request)
{
	return !request->is_head && header_is_absent_or(request, "sec-fetch-mode", "navigate") &&
		header_is_absent_or(request, "sec-fetch-dest", "document");
}
