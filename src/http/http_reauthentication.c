/*-------------------------------------------------------------------------
 *
 * http_reauthentication.c
 *	  The way from a page that needs a recent login to the page on which its user logs in
 *	  again, and back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/discovery.h"
#include "http/http_params.h"
#include "http/http_reauthentication.h"

#define SETTINGS		"/settings"
#define PATH_CHARACTERS	"abcdefghijklmnopqrstuvwxyz_/"

/* Characters of a query (RFC 3986, section 3.4). */
#define QUERY_CHARACTERS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" \
	"-._~!$&'()*+,;=:@/?%"

void
http_reauthenticate(HttpResponse *response, const char *next)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfo(&location, "%s" SETTINGS "/reauthenticate", discovery_issuer());
	http_append_param(&location, "x_next", next);
	http_redirect(response, location.data);
	http_no_store(response);
}

/* Return whether a text is the path and query of a settings page. */
static bool
is_settings_page(const char *text)
{
	size_t		prefix = strlen(SETTINGS);
	size_t		path;

	if (strlen(text) > HTTP_NEXT_MAX_LENGTH || strncmp(text, SETTINGS, prefix) != 0)
		return false;
	path = strspn(text, PATH_CHARACTERS);
	if (path > prefix && text[prefix] != '/')
		return false;
	if (text[path] == '\0')
		return true;
	return text[path] == '?' && text[path + 1 + strspn(text + path + 1, QUERY_CHARACTERS)] == '\0';
}

char *
http_reauthentication_next(const char *next)
{
	return psprintf("%s%s", discovery_issuer(),
					next != NULL && is_settings_page(next) ? next : SETTINGS);
}
