/*-------------------------------------------------------------------------
 *
 * settings_removal.c
 *	  The settings pages that remove a credential: each asks first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "http/settings_parts.h"
#include "http/settings_removal.h"
#include "json/json_write.h"

static void
show_form(HttpSettings *settings, const SettingsRemoval *removal, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, settings, removal->subject);
	if (removal->name != NULL)
		json_add_string(&model, "login_id", removal->name);
	settings_parts_begin(&model);
	if (removal->add_row != NULL)
	{
		settings_parts_begin_rows(&model, NULL);
		removal->add_row(&model, settings, removal->row);
		settings_parts_end_rows(&model);
	}
	if (removal->ends_other_sessions)
		settings_parts_add_note(&model, "ends_other_sessions", false);
	settings_parts_begin_form(&model, http_settings_uri(settings, removal->path), "remove", true);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

typedef struct Removing
{
	HttpSettings *settings;
	const SettingsRemoval *removal;
	bool		is_removed;
} Removing;

/* A SubtransactionAction. */
static void
remove_credential(void *arg)
{
	Removing   *removing = arg;

	http_settings_lock(removing->settings);
	removing->is_removed = removing->removal->remove(removing->settings, removing->removal->id);
}

static bool
handle_form(HttpSettings *settings, const SettingsRemoval *removal, HttpResponse *response)
{
	Removing	removing = {.settings = settings,.removal = removal};
	ErrorData  *error;

	switch (http_settings_try(settings, remove_credential, &removing, response, &error))
	{
		case SETTINGS_DONE:
			if (!removing.is_removed)
				http_settings_leave(settings, response);
			return removing.is_removed;
		case SETTINGS_REFUSED:
			if (error->sqlerrcode == ERRCODE_AA_LAST_CREDENTIAL)
				http_settings_add_error(settings, "form", "last_credential");
			else
				http_settings_note_error(settings, error);
			show_form(settings, removal, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
	return false;
}

bool
settings_removal_page(HttpSettings *settings, const SettingsRemoval *removal,
					  HttpResponse *response)
{
	if (settings->is_post)
		return handle_form(settings, removal, response);
	if (!http_settings_needs_login(settings, response))
		show_form(settings, removal, response);
	return false;
}
