/*-------------------------------------------------------------------------
 *
 * settings_device_key_page.c
 *	  /settings/sessions/remove_device_key: remove the key with which a device logs in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_device_key.h"
#include "http/http_page_caller.h"
#include "http/settings_device.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "http/settings_removal.h"

/* Return the path of the page that removes a key. */
static char *
path_of_key(const char *kid)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, "/sessions/remove_device_key");
	http_append_param(&path, "q_kid", kid);
	return path.data;
}

/* Add a row for a key.  has_link: with a link to the page that removes it. */
static void
add_key(StringInfo model, const HttpSettings *settings, const DeviceKey *key, bool has_link)
{
	settings_device_begin_key_row(model, key);
	settings_parts_begin_facts(model);
	settings_parts_add_time(model, "device_key_added", key->created_at);
	settings_parts_add_time(model, "session_used", key->last_used_at);
	settings_parts_begin_ways(model);
	if (has_link)
		settings_parts_add_link(model, "remove",
								http_settings_uri(settings, path_of_key(key->kid)));
	settings_parts_end_row(model);
}

void
settings_device_key_add_rows(StringInfo model, const HttpSettings *settings)
{
	DeviceKey  *keys;
	int			count;
	int			i;

	if (settings->user.is_anonymous)
		return;
	keys = account_device_key_list(&settings->user, &count);
	if (count == 0)
		return;
	settings_parts_begin_rows(model, "device_keys");
	for (i = 0; i < count; i++)
		add_key(model, settings, &keys[i], true);
	settings_parts_end_rows(model);
}

/* Return the account's key with this kid, which may be NULL, or NULL. */
static const DeviceKey *
find_key(const HttpSettings *settings, const char *kid)
{
	int			count;
	DeviceKey  *keys = account_device_key_list(&settings->user, &count);
	int			i;

	for (i = 0; i < count && kid != NULL; i++)
		if (strcmp(keys[i].kid, kid) == 0)
			return &keys[i];
	return NULL;
}

static void
add_row(StringInfo model, const HttpSettings *settings, const void *key)
{
	add_key(model, settings, key, false);
}

static bool
remove_key(HttpSettings *settings, const char *kid)
{
	return account_device_key_remove(&settings->user, &settings->session, kid,
									 settings->request->now);
}

/* The key may have opened the session that shows the page, which has then ended. */
static void
show_removal(const HttpSettings *settings, const char *kid, HttpResponse *response)
{
	const Session *session = &settings->session;

	if (session->device_kid != NULL && strcmp(session->device_kid, kid) == 0)
	{
		http_page_clear_cookie(settings->request, session, response);
		http_settings_message(settings, 200, "logged_out", response);
	}
	else
		http_settings_done(settings, "/sessions", "device_key_removed", response);
}

void
settings_device_key_page(HttpSettings *settings, HttpResponse *response)
{
	const DeviceKey *key = find_key(settings, http_param(&settings->query, "q_kid"));
	SettingsRemoval removal = {
		.subject = "remove_device_key",
		.add_row = add_row,
		.remove = remove_key
	};

	/* A second click, or an old page, is about a key that is gone. */
	if (key == NULL)
	{
		http_settings_leave(settings, response);
		return;
	}
	removal.path = path_of_key(key->kid);
	removal.id = key->kid;
	removal.row = key;
	if (settings_removal_page(settings, &removal, response))
		show_removal(settings, key->kid, response);
}
