/*-------------------------------------------------------------------------
 *
 * settings_page.c
 *	  GET and POST /settings and the paths below it: the pages on which users look after
 *	  their account (docs/http.md, "Settings pages").
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http_endpoint.h"
#include "http/http_page.h"
#include "http/http_response.h"
#include "http/http_settings.h"
#include "http/settings_pages.h"

typedef struct SettingsPath
{
	const char *path;			/* below /settings; the page knows what * stands for */
	void		(*page) (HttpSettings *settings, HttpResponse *response);
	bool		is_for_accounts;	/* guests are sent to the overview */
} SettingsPath;

static const SettingsPath paths[] = {
	{"", settings_overview_page, false},
	{"/profile", settings_profile_page, false},
	{"/sessions", settings_sessions_page, false},
	{"/sessions/remove_device_key", settings_device_key_page, true},
	{"/passkeys", settings_passkeys_page, false},
	{"/passkeys/add", settings_add_passkey_page, false},
	{"/passkeys/remove", settings_remove_passkey_page, false},
	{"/change_password", settings_password_page, true},
	{"/identity/remove_identity", settings_identity_page, true},
	{"/identity/*", settings_login_ids_page, true},
	{"/export", settings_export_page, false},
	{"/delete_account", settings_deletion_page, false}
};

static const SettingsPath *
find_path(const char *path)
{
	int			i;

	for (i = 0; i < lengthof(paths); i++)
	{
		size_t		length = strcspn(paths[i].path, "*");

		if (strncmp(paths[i].path, path, length) == 0 &&
			(path[length] == '\0' || paths[i].path[length] == '*'))
			return &paths[i];
	}
	return NULL;
}

static void
handle_settings(const HttpRequest *request, HttpResponse *response)
{
	HttpSettings settings;
	const SettingsPath *path;

	if (!http_settings_open(&settings, request, response))
		return;
	path = find_path(settings.path);
	if (path == NULL && strcmp(settings.path, "/identities") != 0)
		http_settings_message(&settings, 404, "not_found", response);
	else if (path == NULL || (path->is_for_accounts && settings.user.is_anonymous))
		http_settings_leave(&settings, response);
	else
		path->page(&settings, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_settings);
Datum
anon_auth_http_settings(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_settings, http_write_page_error);
}
