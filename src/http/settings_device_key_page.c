/*-------------------------------------------------------------------------
 *
 * settings_device_key_page.c
 *	  /settings/sessions/remove_device_key: remove the key with which a device logs in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/account_device_key.h"
#include "http/http_page_caller.h"
#include "http/settings_device.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"

typedef struct KeyPage
{
	HttpSettings *settings;
	char	   *kid;
	const DeviceKey *key;		/* NULL: the account has none with this kid */
	bool		is_removed;
} KeyPage;

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

static const DeviceKey *
find_key(const KeyPage *page)
{
	int			count;
	DeviceKey  *keys = account_device_key_list(&page->settings->user, &count);
	int			i;

	for (i = 0; i < count && page->kid != NULL; i++)
		if (strcmp(keys[i].kid, page->kid) == 0)
			return &keys[i];
	return NULL;
}

static void
show_form(const KeyPage *page, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, page->settings, "remove_device_key");
	settings_parts_begin(&model);
	settings_parts_begin_rows(&model, NULL);
	add_key(&model, page->settings, page->key, false);
	settings_parts_end_rows(&model);
	settings_parts_begin_form(&model,
							  http_settings_uri(page->settings, path_of_key(page->kid)),
							  "remove", true);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, page->settings, response);
}

/* A SubtransactionAction. */
static void
remove_key(void *arg)
{
	KeyPage    *page = arg;
	HttpSettings *settings = page->settings;

	http_settings_lock(settings);
	page->is_removed = account_device_key_remove(&settings->user, &settings->session, page->kid,
												 settings->request->now);
}

/* The key may have opened the session that shows the page, which has then ended. */
static void
show_removal(const KeyPage *page, HttpResponse *response)
{
	const HttpSettings *settings = page->settings;
	const Session *session = &settings->session;

	if (!page->is_removed)
		http_settings_leave(settings, response);
	else if (session->device_kid != NULL && strcmp(session->device_kid, page->kid) == 0)
	{
		http_page_clear_cookie(settings->request, session, response);
		http_settings_message(settings, 200, "logged_out", response);
	}
	else
		http_settings_done(settings, "/sessions", "device_key_removed", response);
}

static void
handle_form(KeyPage *page, HttpResponse *response)
{
	HttpSettings *settings = page->settings;
	ErrorData  *error;

	switch (http_settings_try(settings, remove_key, page, response, &error))
	{
		case SETTINGS_DONE:
			show_removal(page, response);
			break;
		case SETTINGS_REFUSED:
			if (error->sqlerrcode == ERRCODE_AA_LAST_CREDENTIAL)
				http_settings_add_error(settings, "form", "last_credential");
			else
				http_settings_note_error(settings, error);
			show_form(page, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_device_key_page(HttpSettings *settings, HttpResponse *response)
{
	KeyPage		page = {
		.settings = settings,
		.kid = http_param(&settings->query, "q_kid")
	};

	/* A second click, or an old page, is about a key that is gone. */
	page.key = find_key(&page);
	if (page.key == NULL)
		http_settings_leave(settings, response);
	else if (settings->is_post)
		handle_form(&page, response);
	else if (!http_settings_needs_login(settings, response))
		show_form(&page, response);
}
