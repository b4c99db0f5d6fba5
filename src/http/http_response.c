/*-------------------------------------------------------------------------
 *
 * http_response.c
 *	  The response: status, headers, cookies and body, handed to PostgREST.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/discovery.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "store/settings.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"

void
http_response_begin(HttpResponse *response)
{
	response->status = 200;
	response->body = "";
	initStringInfo(&response->headers);
	appendStringInfoChar(&response->headers, '[');
}

static bool
has_control_character(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < 0x20 || *text == 0x7F)
			return true;
	return false;
}

void
http_add_header(HttpResponse *response, const char *name, const char *value)
{
	if (has_control_character(name) || has_control_character(value))
		elog(ERROR, "a response header has a control character");
	if (response->headers.len > 1)
		appendStringInfoChar(&response->headers, ',');
	json_open(&response->headers);
	json_add_string(&response->headers, name, value);
	json_close(&response->headers);
}

void
http_no_store(HttpResponse *response)
{
	http_add_header(response, "Cache-Control", "no-store");
	http_add_header(response, "Pragma", "no-cache");
}

void
http_add_retry_after(HttpResponse *response, int seconds)
{
	if (seconds > 0)
		http_add_header(response, "Retry-After", psprintf("%d", seconds));
}

void
http_json(HttpResponse *response, int status, char *json)
{
	response->status = status;
	response->body = json;
	http_add_header(response, "Content-Type", "application/json");
	http_add_header(response, "X-Content-Type-Options", "nosniff");
}

void
http_text(HttpResponse *response, int status, const char *text)
{
	response->status = status;
	response->body = pstrdup(text);
	http_add_header(response, "Content-Type", "text/plain; charset=utf-8");
	http_add_header(response, "X-Content-Type-Options", "nosniff");
}

bool
http_refuse_prefetch(const HttpRequest *request, HttpResponse *response)
{
	if (!http_is_prefetch(request))
		return false;
	http_text(response, 503, "not available before the page is opened\n");
	http_no_store(response);
	return true;
}

void
http_redirect(HttpResponse *response, const char *location)
{
	response->status = 303;
	http_add_header(response, "Location", location);
}

/* max_age is in seconds; negative: the browser keeps the cookie until it is closed. */
static void
set_cookie(const HttpRequest *request, HttpResponse *response, const char *path, const char *name,
		   const char *value, int64 max_age)
{
	const BrowserPolicy *policy = &request->policy;
	StringInfoData cookie;

	initStringInfo(&cookie);
	appendStringInfo(&cookie, "%s%s=%s; Path=%s; HttpOnly; SameSite=Lax",
					 http_cookie_prefix(request), name, value, path);
	if (strncmp(discovery_issuer(), "https:", 6) == 0)
		appendStringInfoString(&cookie, "; Secure");
	if (policy->cookie_domain != NULL)
		appendStringInfo(&cookie, "; Domain=%s", policy->cookie_domain);
	if (max_age >= 0)
		appendStringInfo(&cookie, "; Max-Age=" INT64_FORMAT, max_age);
	http_add_header(response, "Set-Cookie", cookie.data);
}

void
http_set_session_cookie(const HttpRequest *request, HttpResponse *response, const char *value,
						TimestampTz started_at)
{
	int64		age = (request->now - started_at) / USECS_PER_SEC;

	set_cookie(request, response, "/", "session", value,
			   request->policy.session_cookie_persistent ?
			   Max(request->policy.session_lifetime_seconds - age, 0) : -1);
}

void
http_clear_session_cookie(const HttpRequest *request, HttpResponse *response)
{
	set_cookie(request, response, "/", "session", "", 0);
}

void
http_set_browser_cookie(const HttpRequest *request, HttpResponse *response, const char *name,
						const char *value)
{
	set_cookie(request, response, "/", name, value, -1);
}

/* RFC 6265bis, section 4.1.3.2, has the rule for __Host-, in which case does not matter. */
static const char *
settings_path(const HttpRequest *request)
{
	const char *issuer = discovery_issuer();

	if (pg_strncasecmp(http_cookie_prefix(request), "__Host-", strlen("__Host-")) == 0)
		return "/";
	return psprintf("%s/settings", issuer + strlen(http_origin_of(issuer)));
}

void
http_set_settings_cookie(const HttpRequest *request, HttpResponse *response, const char *name,
						 const char *value)
{
	set_cookie(request, response, settings_path(request), name, value, -1);
}

void
http_clear_settings_cookie(const HttpRequest *request, HttpResponse *response, const char *name)
{
	set_cookie(request, response, settings_path(request), name, "", 0);
}

static void
set_for_postgrest(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

char *
http_add_to_postgrest_headers(const HttpResponse *response)
{
	const char *others = GetConfigOption("response.headers", true, false);

	if (others == NULL || others[0] == '\0')
		return psprintf("%s]", response->headers.data);
	others += strspn(others, " \t\r\n");
	if (others[0] != '[')
		return NULL;
	others++;
	others += strspn(others, " \t\r\n");
	return psprintf("%s%s%s", response->headers.data, others[0] == ']' ? "" : ",", others);
}

Datum
http_respond(HttpResponse *response)
{
	char		status[12];

	pg_ltoa(response->status, status);
	appendStringInfoChar(&response->headers, ']');
	set_for_postgrest("response.status", status);
	set_for_postgrest("response.headers", response->headers.data);
	PG_RETURN_TEXT_P(cstring_to_text(response->body));
}
