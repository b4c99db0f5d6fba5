/*-------------------------------------------------------------------------
 *
 * settings_add_passkey_page.c
 *	  /settings/passkeys/add: make a passkey for the user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/shown_text.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "http/http_passkey.h"
#include "http/settings_device.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/raise_json.h"

#define PATH		"/passkeys/add"
#define NAME_FIELD	"passkey_name"

/* The name is that of the browser and system, which the user can change. */
static void
show_form(const HttpSettings *settings, const char *name, HttpResponse *response)
{
	StringInfoData model;
	SettingsField field = {
		.type = SETTINGS_TEXT,
		.name = NAME_FIELD,
		.value = name,
		.hint = "hint_passkey_name",
		.is_optional = true,
		.max_length = CREDENTIAL_NAME_MAX_LENGTH
	};
	HttpPasskeyButton button = {
		.creates = true,
		.options = passkey_options_for_guest(&settings->user, settings->request->now),
		.text = "create_passkey",
		.is_only_way = true,
		.unknown_id = http_passkey_unknown_id(&settings->form)
	};

	http_settings_begin(&model, settings, "add_passkey");
	settings_parts_begin(&model);
	settings_parts_begin_form(&model, http_settings_uri(settings, PATH), NULL, false);
	settings_parts_add_field(&model, &field);
	settings_parts_end_passkey_form(&model, &button);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

typedef struct Adding
{
	HttpSettings *settings;
	const char *name;			/* NULL: none */
} Adding;

/* A SubtransactionAction. */
static void
add_passkey(void *arg)
{
	Adding	   *adding = arg;
	HttpSettings *settings = adding->settings;

	http_settings_lock(settings);
	(void) passkey_add(&settings->user, &settings->session,
					   http_passkey_response(&settings->form), adding->name,
					   settings->request->now);
}

/* Return whether the form was sent twice: the passkey that it brings is the user's. */
static bool
is_done_already(const HttpSettings *settings, const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_INVALID_PASSKEY &&
		raise_json_is_passkey_reason(error->detail, PASSKEY_EXISTS) &&
		settings_passkeys_have(settings, http_passkey_id(&settings->form));
}

/*
 * What a list cannot show is left out of the name, instead of refusing it: the authenticator
 * has the passkey by now.
 */
static void
handle_form(HttpSettings *settings, HttpResponse *response)
{
	char	   *name = http_param(&settings->form, NAME_FIELD);
	Adding		adding = {.settings = settings};
	ErrorData  *error;
	const char *code;

	if (name != NULL)
		adding.name = shown_text(name, CREDENTIAL_NAME_MAX_LENGTH - 1);
	switch (http_settings_try(settings, add_passkey, &adding, response, &error))
	{
		case SETTINGS_DONE:
			http_settings_done(settings, "/passkeys", "passkey_added", response);
			break;
		case SETTINGS_REFUSED:
			if (is_done_already(settings, error))
			{
				http_settings_done(settings, "/passkeys", "passkey_added", response);
				break;
			}
			code = http_passkey_creation_error(error);
			if (code != NULL)
				http_settings_add_error(settings, "form", code);
			else
				http_settings_note_error(settings, error);
			show_form(settings, adding.name, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_add_passkey_page(HttpSettings *settings, HttpResponse *response)
{
	int			count;

	(void) passkey_list(&settings->user, &count);
	if (!http_passkey_is_offered() || (count >= PASSKEYS_MAX && !settings->is_post))
		http_settings_leave(settings, response);
	else if (http_settings_needs_login(settings, response))
		return;
	else if (settings->is_post)
		handle_form(settings, response);
	else
		show_form(settings, settings_device_of_browser(settings->request), response);
}
