/*-------------------------------------------------------------------------
 *
 * settings_parts.h
 *	  The parts of a settings page in its model: lists of rows, and forms.
 *
 * Texts are named by their keys in src/http/pages, without the prefix "settings_".  The
 * page is rendered by install/http/45_settings_page.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_PARTS_H
#define ANON_AUTH_SETTINGS_PARTS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "http/http_passkey.h"
#include "lib/stringinfo.h"

/* The array of all parts. */
extern void settings_parts_begin(StringInfo model);
extern void settings_parts_end(StringInfo model);

/* A heading with a list.  title may be NULL. */
extern void settings_parts_begin_rows(StringInfo model, const char *title);
extern void settings_parts_end_rows(StringInfo model);

/*
 * A row of such a list.  value is shown as it is, unless it is NULL; text names a text
 * instead.  The facts come first, then the ways to change something.
 */
extern void settings_parts_begin_row(StringInfo model, const char *label, const char *value,
									 const char *text);
extern void settings_parts_begin_facts(StringInfo model);
extern void settings_parts_begin_ways(StringInfo model);
extern void settings_parts_end_row(StringInfo model);

/* A fact: a text in which {name} is the value, or {time} the time. */
extern void settings_parts_add_fact(StringInfo model, const char *text, const char *name,
									const char *value);
extern void settings_parts_add_time(StringInfo model, const char *text, TimestampTz time);

/* A link, and a button that sends name=value to an address. */
extern void settings_parts_add_link(StringInfo model, const char *text, const char *uri);
extern void settings_parts_add_button(StringInfo model, const char *text, const char *uri,
									  const char *name, const char *value);

/* A list of links. */
extern void settings_parts_begin_links(StringInfo model);
extern void settings_parts_end_links(StringInfo model);

/* A paragraph in a box.  is_warning: red. */
extern void settings_parts_add_note(StringInfo model, const char *text, bool is_warning);
extern void settings_parts_add_time_note(StringInfo model, const char *text, bool is_warning,
										 TimestampTz time);

typedef enum SettingsFieldType
{
	SETTINGS_TEXT,
	SETTINGS_LINES,
	SETTINGS_EMAIL,
	SETTINGS_PHONE_NUMBER,
	SETTINGS_USERNAME,
	SETTINGS_CODE,
	SETTINGS_CURRENT_PASSWORD,
	SETTINGS_NEW_PASSWORD,		/* with the rules of http_password_form_add_policy() */
	SETTINGS_CHECK
} SettingsFieldType;

typedef struct SettingsField
{
	SettingsFieldType type;
	const char *name;			/* of the input and, after "label_", of its label */
	const char *label;			/* the label itself, instead; NULL: there is a text */
	const char *value;			/* NULL: empty */
	const char *hint;			/* the key of a text; NULL: none */
	const char *autocomplete;	/* of a text or lines (HTML, 4.10.18.7); NULL: off */
	bool		is_optional;
	int			max_length;		/* in characters, of a text; 0: no limit */
} SettingsField;

/*
 * A form.  Fields are added between begin and end; hidden ones anywhere there, too.  button is
 * NULL for a form that has only the button of a passkey.
 */
extern void settings_parts_begin_form(StringInfo model, const char *uri, const char *button,
									  bool is_dangerous);

/* The same with a button that is not the purpose of the page. */
extern void settings_parts_begin_plain_form(StringInfo model, const char *uri,
											const char *button);
extern void settings_parts_add_field(StringInfo model, const SettingsField *field);
extern void settings_parts_add_hidden(StringInfo model, const char *name, const char *value);

/* A second button, which sends its text's name as "use". */
extern void settings_parts_add_other_button(StringInfo model, const char *text);
extern void settings_parts_end_form(StringInfo model);

/* The same, with a button for a passkey. */
extern void settings_parts_end_passkey_form(StringInfo model, const HttpPasskeyButton *button);

/*
 * Tell the authenticators of the browser which passkeys the user has, so that they do not
 * offer others: accepted is passkey_options_accepted().
 */
extern void settings_parts_add_accepted_passkeys(StringInfo model, const char *accepted);

#endif							/* ANON_AUTH_SETTINGS_PARTS_H */
