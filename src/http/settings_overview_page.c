/*-------------------------------------------------------------------------
 *
 * settings_overview_page.c
 *	  /settings: what the account has, with links to the other pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/own_login_ids.h"
#include "domain/own_sessions.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_write.h"

static void
add_link(StringInfo model, const HttpSettings *settings, const char *text, const char *path)
{
	settings_parts_add_link(model, text, http_settings_uri(settings, path));
}

static void
add_login_ids(StringInfo model, const HttpSettings *settings)
{
	int			count;
	LoginIdRow *rows = own_login_ids_list(&settings->user, &count);
	int			i;

	settings_parts_begin_rows(model, "login_ids");
	for (i = 0; i < count; i++)
	{
		settings_parts_begin_row(model, login_id_type_name(rows[i].type), rows[i].original_value,
								 NULL);
		settings_parts_begin_facts(model);
		if (rows[i].type != LOGIN_ID_USERNAME)
			settings_parts_add_fact(model, rows[i].verified ? "confirmed" : "unconfirmed", NULL, NULL);
		settings_parts_begin_ways(model);
		settings_parts_end_row(model);
	}
	settings_parts_end_rows(model);
}

static void
add_password(StringInfo model, const HttpSettings *settings)
{
	settings_parts_begin_row(model, "password", NULL,
							 settings->user.has_password ? "password_set" : "password_not_set");
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, settings->user.has_password ? "change_password" : "set_password",
			 "/change_password");
	settings_parts_end_row(model);
}

static void
add_sessions(StringInfo model, const HttpSettings *settings)
{
	int			count;

	(void) own_sessions_list(&settings->user, settings->request->now, &count);
	settings_parts_begin_row(model, "sessions", NULL,
							 count == 1 ? "sessions_only_this" : "sessions_count");
	json_add_string(model, "count", psprintf("%d", count));
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, "show_sessions", "/sessions");
	settings_parts_end_row(model);
}

void
settings_overview_page(HttpSettings *settings, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, settings, "overview");
	settings_parts_begin(&model);
	if (settings->user.is_anonymous)
		settings_parts_add_note(&model, "guest_note", false);
	else
		add_login_ids(&model, settings);
	settings_parts_begin_rows(&model, "security");
	if (!settings->user.is_anonymous)
		add_password(&model, settings);
	add_sessions(&model, settings);
	settings_parts_end_rows(&model);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}
