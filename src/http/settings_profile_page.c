/*-------------------------------------------------------------------------
 *
 * settings_profile_page.c
 *	  /settings/profile: the claims and custom attributes that users write themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/own_profile.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_read.h"
#include "json/json_write.h"

/* The claims that have a field.  The URI of a profile is left to the application. */
static const SettingsField claims[] = {
	{.name = "name",.autocomplete = "name"},
	{.name = "given_name",.autocomplete = "given-name"},
	{.name = "middle_name",.autocomplete = "additional-name"},
	{.name = "family_name",.autocomplete = "family-name"},
	{.name = "nickname",.autocomplete = "nickname"},
	{.name = "birthdate",.autocomplete = "bday",.hint = "settings_hint_birthdate"},
	{.name = "gender",.autocomplete = "sex"},
	{.name = "locale",.autocomplete = "language",.hint = "settings_hint_locale"},
	{.name = "zoneinfo",.hint = "settings_hint_zoneinfo"},
	{.name = "website",.autocomplete = "url",.hint = "settings_hint_website"},
	{.name = "picture",.autocomplete = "photo",.hint = "settings_hint_picture"}
};

/* The same for the members of the claim address, with the names of their inputs. */
#define ADDRESS_INPUT	"address_"
static const SettingsField address_fields[] = {
	{.name = ADDRESS_INPUT "formatted",.type = SETTINGS_LINES},
	{.name = ADDRESS_INPUT "street_address",.type = SETTINGS_LINES,.autocomplete = "street-address"},
	{.name = ADDRESS_INPUT "postal_code",.autocomplete = "postal-code"},
	{.name = ADDRESS_INPUT "locality",.autocomplete = "address-level2"},
	{.name = ADDRESS_INPUT "region",.autocomplete = "address-level1"},
	{.name = ADDRESS_INPUT "country",.autocomplete = "country-name"}
};

typedef struct ProfilePage
{
	HttpSettings *settings;
	StringList	custom;			/* the names of the attributes that users write */
	Jsonb	   *attributes;		/* of the form */
} ProfilePage;

/* Return the name of the input of a custom attribute: its own name may have any character. */
static char *
custom_input(int i)
{
	return psprintf("custom_%d", i + 1);
}

/*
 * Return whether the page has a field for a custom attribute: only for one that has a text
 * or no value.
 */
static bool
has_field(const ProfilePage *page, int i)
{
	const Jsonb *attributes = page->settings->user.custom_attributes;
	JsonbValue *member = attributes == NULL ? NULL :
		json_member(attributes, page->custom.items[i]);

	return member == NULL || member->type == jbvString;
}

/* ---- the address ---- */

/* Return the user's address, or NULL. */
static const Jsonb *
address_of(const ProfilePage *page)
{
	const Jsonb *attributes = page->settings->user.standard_attributes;
	JsonbValue *member = attributes == NULL ? NULL : json_member(attributes, "address");
	Jsonb	   *address = member == NULL ? NULL : json_container(member);

	return address != NULL && JB_ROOT_IS_OBJECT(address) ? address : NULL;
}

static const char *
address_member(const SettingsField *field)
{
	return field->name + strlen(ADDRESS_INPUT);
}

static const char *
stored_in_address(const ProfilePage *page, const SettingsField *field)
{
	const Jsonb *address = address_of(page);

	return address == NULL ? NULL : json_cstring(address, address_member(field));
}

/* The whole address as one text has a field only where an application has written it. */
static bool
has_address_field(const ProfilePage *page, const SettingsField *field)
{
	return field != &address_fields[0] || stored_in_address(page, field) != NULL;
}

/* ---- showing ---- */

/* Return the value that was typed or, on a first look, the one that the user has. */
static const char *
value_of(const ProfilePage *page, const char *input, const Jsonb *attributes, const char *name)
{
	if (page->settings->is_post)
		return http_param(&page->settings->form, input);
	return attributes == NULL ? NULL : json_cstring(attributes, name);
}

static void
add_field(StringInfo model, const SettingsField *template, const char *value)
{
	SettingsField field = *template;

	field.is_optional = true;
	field.value = value;
	settings_parts_add_field(model, &field);
}

static void
add_address(StringInfo model, const ProfilePage *page)
{
	int			i;

	for (i = 0; i < lengthof(address_fields); i++)
		if (has_address_field(page, &address_fields[i]))
			add_field(model, &address_fields[i],
					  value_of(page, address_fields[i].name, address_of(page),
							   address_member(&address_fields[i])));
}

static void
add_custom_attributes(StringInfo model, const ProfilePage *page)
{
	const Jsonb *attributes = page->settings->user.custom_attributes;
	SettingsField field = {0};
	int			i;

	for (i = 0; i < page->custom.count; i++)
	{
		if (!has_field(page, i))
			continue;
		field.name = custom_input(i);
		field.label = page->custom.items[i];
		add_field(model, &field, value_of(page, field.name, attributes, field.label));
	}
}

static void
show_form(const ProfilePage *page, HttpResponse *response)
{
	const HttpSettings *settings = page->settings;
	StringInfoData model;
	int			i;

	http_settings_begin(&model, settings, "profile");
	settings_parts_begin(&model);
	settings_parts_begin_form(&model, http_settings_uri(settings, "/profile"), "save", false);
	for (i = 0; i < lengthof(claims); i++)
		add_field(&model, &claims[i], value_of(page, claims[i].name,
											   settings->user.standard_attributes,
											   claims[i].name));
	add_address(&model, page);
	add_custom_attributes(&model, page);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

/* ---- saving ---- */

/* Add the value of an input, whose name in the profile may have any character. */
static void
add_value(StringInfo json, const HttpParams *form, const char *input, const char *name)
{
	const char *value = http_param(form, input);

	if (!http_params_have(form, input))
		return;
	if (json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	json_append_string(json, name);
	appendStringInfoChar(json, ':');

	/* An empty text would be a value of a custom attribute. */
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		json_append_string(json, value);
}

/* Return a text with LF at the end of its lines, where browsers send CRLF. */
static char *
without_returns(const char *text)
{
	char	   *result = pstrdup(text);
	char	   *next = result;

	for (; *text != '\0'; text++)
		if (text[0] != '\r' || text[1] != '\n')
			*next++ = *text;
	*next = '\0';
	return result;
}

/* Return the member of the address that the form asks for; "" for none. */
static char *
wanted_in_address(const ProfilePage *page, const SettingsField *field)
{
	const HttpParams *form = &page->settings->form;
	const char *value = http_params_have(form, field->name) ? http_param(form, field->name) :
		stored_in_address(page, field);

	return value == NULL ? "" : without_returns(value);
}

static bool
changes_address(const ProfilePage *page)
{
	int			i;

	for (i = 0; i < lengthof(address_fields); i++)
	{
		const char *stored = stored_in_address(page, &address_fields[i]);

		if (strcmp(wanted_in_address(page, &address_fields[i]),
				   stored == NULL ? "" : without_returns(stored)) != 0)
			return true;
	}
	return false;
}

/* The address is replaced as a whole, so members without a field keep their values. */
static void
add_address_of_form(StringInfo json, const ProfilePage *page)
{
	int			i;

	if (!changes_address(page))
		return;
	json_add_name(json, "address");
	json_open(json);
	for (i = 0; i < lengthof(address_fields); i++)
		json_add_string(json, address_member(&address_fields[i]),
						wanted_in_address(page, &address_fields[i]));
	json_close(json);
}

static void
read_form(ProfilePage *page)
{
	const HttpParams *form = &page->settings->form;
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	for (i = 0; i < lengthof(claims); i++)
		add_value(&json, form, claims[i].name, claims[i].name);
	add_address_of_form(&json, page);
	json_add_name(&json, "custom_attributes");
	json_open(&json);
	for (i = 0; i < page->custom.count; i++)
		if (has_field(page, i))
			add_value(&json, form, custom_input(i), page->custom.items[i]);
	json_close(&json);
	json_close(&json);
	page->attributes = json_to_jsonb(json.data);
}

/* Return the input of a member of the profile. */
static const char *
input_of(const ProfilePage *page, const char *member)
{
	const char *prefix = "custom_attributes.";
	const char *address = "address.";
	int			i;

	if (strncmp(member, address, strlen(address)) == 0)
		return psprintf(ADDRESS_INPUT "%s", member + strlen(address));
	if (strncmp(member, prefix, strlen(prefix)) == 0)
		for (i = 0; i < page->custom.count; i++)
			if (strcmp(page->custom.items[i], member + strlen(prefix)) == 0)
				return custom_input(i);
	return member;
}

static void
check_form(ProfilePage *page)
{
	ProfileProblem *problems;
	int			count = own_profile_check(page->attributes, page->settings->request->now,
										  &problems);
	int			i;

	for (i = 0; i < count; i++)
		http_settings_add_error(page->settings, input_of(page, problems[i].member),
								own_profile_reason_code(problems[i].reason));
}

/* A SubtransactionAction. */
static void
save_profile(void *arg)
{
	ProfilePage *page = arg;
	HttpSettings *settings = page->settings;

	http_settings_lock(settings);
	own_profile_update(&settings->user, &settings->session, page->attributes,
					   settings->request->now);
}

static void
handle_form(ProfilePage *page, HttpResponse *response)
{
	read_form(page);
	check_form(page);
	if (http_settings_has_errors(page->settings))
	{
		show_form(page, response);
		return;
	}
	switch (http_settings_try(page->settings, save_profile, page, response, NULL))
	{
		case SETTINGS_DONE:
			http_settings_done(page->settings, "", "profile_saved", response);
			break;
		case SETTINGS_REFUSED:
			show_form(page, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_profile_page(HttpSettings *settings, HttpResponse *response)
{
	ProfilePage page = {
		.settings = settings,
		.custom = own_profile_custom_attributes()
	};

	if (settings->is_post)
		handle_form(&page, response);
	else
		show_form(&page, response);
}
