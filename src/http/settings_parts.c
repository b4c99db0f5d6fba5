/*-------------------------------------------------------------------------
 *
 * settings_parts.c
 *	  The parts of a settings page in its model: lists of rows, and forms.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/unix_time.h"
#include "http/settings_parts.h"
#include "json/json_write.h"

static void
begin_array(StringInfo model, const char *name)
{
	json_add_name(model, name);
	json_open_array(model);
}

void
settings_parts_begin(StringInfo model)
{
	begin_array(model, "parts");
}

void
settings_parts_end(StringInfo model)
{
	json_close_array(model);
}

static void
begin_part(StringInfo model, const char *kind)
{
	json_open(model);
	json_add_string(model, "kind", kind);
}

/* ---- lists ---- */

void
settings_parts_begin_rows(StringInfo model, const char *title)
{
	begin_part(model, "rows");
	if (title != NULL)
		json_add_string(model, "title", title);
	begin_array(model, "rows");
}

void
settings_parts_end_rows(StringInfo model)
{
	json_close_array(model);
	json_close(model);
}

void
settings_parts_begin_row(StringInfo model, const char *label, const char *value, const char *text)
{
	json_open(model);
	if (label != NULL)
		json_add_string(model, "label", label);
	if (value != NULL)
		json_add_string(model, "value", value);
	else
		json_add_string(model, "text", text);
}

void
settings_parts_begin_facts(StringInfo model)
{
	begin_array(model, "facts");
}

void
settings_parts_begin_ways(StringInfo model)
{
	json_close_array(model);
	begin_array(model, "ways");
}

void
settings_parts_end_row(StringInfo model)
{
	json_close_array(model);
	json_close(model);
}

void
settings_parts_add_fact(StringInfo model, const char *text, const char *name, const char *value)
{
	json_open(model);
	json_add_string(model, "text", text);
	if (name != NULL)
		json_add_string(model, name, value);
	json_close(model);
}

void
settings_parts_add_time(StringInfo model, const char *text, TimestampTz time)
{
	json_open(model);
	json_add_string(model, "text", text);
	json_add_integer(model, "time", unix_seconds(time));
	json_close(model);
}

void
settings_parts_add_link(StringInfo model, const char *text, const char *uri)
{
	json_open(model);
	json_add_string(model, "text", text);
	json_add_string(model, "uri", uri);
	json_close(model);
}

void
settings_parts_add_button(StringInfo model, const char *text, const char *uri, const char *name,
						  const char *value)
{
	json_open(model);
	json_add_string(model, "text", text);
	json_add_string(model, "action", uri);
	json_add_name(model, "hidden");
	json_open(model);
	json_add_string(model, name, value);
	json_close(model);
	json_close(model);
}

void
settings_parts_begin_links(StringInfo model)
{
	begin_part(model, "links");
	begin_array(model, "links");
}

void
settings_parts_end_links(StringInfo model)
{
	json_close_array(model);
	json_close(model);
}

/* ---- notes ---- */

static void
begin_note(StringInfo model, const char *text, bool is_warning)
{
	begin_part(model, "note");
	json_add_string(model, "text", text);
	json_add_boolean(model, "is_warning", is_warning);
}

void
settings_parts_add_note(StringInfo model, const char *text, bool is_warning)
{
	begin_note(model, text, is_warning);
	json_close(model);
}

void
settings_parts_add_time_note(StringInfo model, const char *text, bool is_warning,
							 TimestampTz time)
{
	begin_note(model, text, is_warning);
	json_add_integer(model, "time", unix_seconds(time));
	json_close(model);
}

/* ---- forms ---- */

/* As in install/http/45_settings_page.sql. */
static const char *const type_names[] = {
	[SETTINGS_TEXT] = "text",
	[SETTINGS_LINES] = "lines",
	[SETTINGS_EMAIL] = "email",
	[SETTINGS_PHONE_NUMBER] = "phone_number",
	[SETTINGS_USERNAME] = "username",
	[SETTINGS_CODE] = "code",
	[SETTINGS_CURRENT_PASSWORD] = "current_password",
	[SETTINGS_NEW_PASSWORD] = "new_password",
	[SETTINGS_CHECK] = "check"
};

/* look is "is_dangerous", "is_plain" or NULL. */
static void
begin_form(StringInfo model, const char *uri, const char *button, const char *look)
{
	begin_part(model, "form");
	json_add_string(model, "action", uri);
	if (button != NULL)
		json_add_string(model, "button", button);
	if (look != NULL)
		json_add_boolean(model, look, true);
	begin_array(model, "fields");
}

void
settings_parts_begin_form(StringInfo model, const char *uri, const char *button,
						  bool is_dangerous)
{
	begin_form(model, uri, button, is_dangerous ? "is_dangerous" : NULL);
}

void
settings_parts_begin_plain_form(StringInfo model, const char *uri, const char *button)
{
	begin_form(model, uri, button, "is_plain");
}

void
settings_parts_add_field(StringInfo model, const SettingsField *field)
{
	json_open(model);
	json_add_string(model, "type", type_names[field->type]);
	json_add_string(model, "name", field->name);
	if (field->label != NULL)
		json_add_string(model, "label", field->label);
	if (field->value != NULL)
		json_add_string(model, "value", field->value);
	if (field->hint != NULL)
		json_add_string(model, "hint", field->hint);
	if (field->autocomplete != NULL)
		json_add_string(model, "autocomplete", field->autocomplete);
	json_add_boolean(model, "is_optional", field->is_optional);
	if (field->max_length > 0)
		json_add_integer(model, "max_length", field->max_length);
	json_close(model);
}

void
settings_parts_add_hidden(StringInfo model, const char *name, const char *value)
{
	json_open(model);
	json_add_string(model, "type", "hidden");
	json_add_string(model, "name", name);
	json_add_string(model, "value", value);
	json_close(model);
}

void
settings_parts_add_other_button(StringInfo model, const char *text)
{
	json_open(model);
	json_add_string(model, "type", "button");
	json_add_string(model, "text", text);
	json_close(model);
}

void
settings_parts_end_form(StringInfo model)
{
	json_close_array(model);
	json_close(model);
}

void
settings_parts_end_passkey_form(StringInfo model, const HttpPasskeyButton *button)
{
	json_close_array(model);
	http_passkey_add(model, button);
	json_close(model);
}

void
settings_parts_add_accepted_passkeys(StringInfo model, const char *accepted)
{
	begin_part(model, "accepted_passkeys");
	json_add_raw(model, "accepted", accepted);
	json_close(model);
}
