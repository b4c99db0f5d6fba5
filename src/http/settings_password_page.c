/*-------------------------------------------------------------------------
 *
 * settings_password_page.c
 *	  /settings/change_password: change the password, or set one where there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/password_change.h"
#include "http/http_password_form.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"

typedef struct Changing
{
	HttpSettings *settings;
	const char *old_password;	/* NULL: empty */
	const char *password;
	bool		is_right;
} Changing;

static void
show_form(const HttpSettings *settings, HttpResponse *response)
{
	bool		has_password = settings->user.has_password;
	SettingsField old_password = {.type = SETTINGS_CURRENT_PASSWORD,.name = "old_password"};
	SettingsField password = {.type = SETTINGS_NEW_PASSWORD,.name = "password"};
	StringInfoData model;

	http_settings_begin(&model, settings, has_password ? "change_password" : "set_password");
	http_settings_focus(&model, has_password ? "old_password" : "password");
	http_password_form_add_policy(&model, &settings->policy.password);
	settings_parts_begin(&model);
	settings_parts_begin_form(&model, http_settings_uri(settings, settings->path),
							  has_password ? "change_password" : "set_password", false);
	if (has_password)
		settings_parts_add_field(&model, &old_password);
	settings_parts_add_field(&model, &password);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

/* Note the errors of the fields. */
static void
check_fields(Changing *changing)
{
	HttpSettings *settings = changing->settings;
	const char *broken;

	if (settings->user.has_password && changing->old_password == NULL)
		http_settings_add_error(settings, "old_password", "required");
	if (changing->password == NULL)
		http_settings_add_error(settings, "password", "[\"required\"]");
	else
	{
		broken = http_password_form_errors(changing->password, &settings->policy.password);
		if (broken != NULL)
			http_settings_add_error(settings, "password", broken);
	}
}

/* A SubtransactionAction. */
static void
change_password(void *arg)
{
	Changing   *changing = arg;
	const HttpSettings *settings = changing->settings;

	changing->is_right = password_change_by_user(&settings->user, &settings->session,
												 changing->password, changing->old_password,
												 settings->request->now);
}

static void
say_done(const Changing *changing, HttpResponse *response)
{
	http_settings_done(changing->settings, "", changing->old_password != NULL ?
					   "password_changed" : "password_set", response);
}

static void
handle_form(HttpSettings *settings, HttpResponse *response)
{
	Changing	changing = {
		.settings = settings,
		.old_password = settings->user.has_password ?
		http_param(&settings->form, "old_password") : NULL,
		.password = http_param(&settings->form, "password")
	};

	if (http_settings_needs_login(settings, response))
		return;
	check_fields(&changing);
	if (http_settings_has_errors(settings))
	{
		show_form(settings, response);
		return;
	}
	switch (http_settings_try(settings, change_password, &changing, response, NULL))
	{
		case SETTINGS_DONE:
			if (changing.is_right)
			{
				say_done(&changing, response);
				break;
			}
			http_settings_add_error(settings, "old_password", "wrong");
			show_form(settings, response);
			break;
		case SETTINGS_REFUSED:
			show_form(settings, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_password_page(HttpSettings *settings, HttpResponse *response)
{
	if (settings->is_post)
		handle_form(settings, response);
	else if (!http_settings_needs_login(settings, response))
		show_form(settings, response);
}
