/*-------------------------------------------------------------------------
 *
 * settings_login_ids_page.c
 *	  /settings/identity/{add,change,verify,remove}_{email,phone,username}: the login IDs of
 *	  an account.
 *
 * An address is proven with a code from a message: the first form asks for the address, the
 * second one for the code.  To change a login ID, the new one is added before the old one
 * is removed, in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "domain/message_language.h"
#include "domain/own_login_ids.h"
#include "domain/recent_login.h"
#include "http/http_code_page.h"
#include "http/http_errors.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_write.h"
#include "json/raise_json.h"

typedef enum LoginIdVerb
{
	VERB_ADD,
	VERB_CHANGE,
	VERB_VERIFY,
	VERB_REMOVE
} LoginIdVerb;

static const char *const verb_names[] = {
	[VERB_ADD] = "add",
	[VERB_CHANGE] = "change",
	[VERB_VERIFY] = "verify",
	[VERB_REMOVE] = "remove"
};

/* As Authgear's SDKs name them in addresses. */
static const char *const type_paths[] = {
	[LOGIN_ID_EMAIL] = "email",
	[LOGIN_ID_PHONE_NUMBER] = "phone",
	[LOGIN_ID_USERNAME] = "username"
};

static const SettingsFieldType field_types[] = {
	[LOGIN_ID_EMAIL] = SETTINGS_EMAIL,
	[LOGIN_ID_PHONE_NUMBER] = SETTINGS_PHONE_NUMBER,
	[LOGIN_ID_USERNAME] = SETTINGS_USERNAME
};

typedef struct LoginIdPage
{
	HttpSettings *settings;
	LoginIdVerb verb;
	LoginIdType type;
	const char *own;			/* to change, verify or remove; NULL to add */
	const char *own_value;		/* the same, normalised */
	bool		own_is_verified;
	char	   *login_id;		/* to add or verify; NULL: empty */
	char	   *code;			/* NULL: empty */
	bool		is_right;		/* the code */
	bool		is_removed;
} LoginIdPage;

/* ---- addresses ---- */

char *
settings_login_ids_path(const char *verb, LoginIdType type, const char *login_id)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfo(&path, "/identity/%s_%s", verb, type_paths[type]);
	http_append_param(&path, "q_login_id", login_id);
	return path.data;
}

/* The address of this page, with the login ID that it is about. */
static char *
own_uri(const LoginIdPage *page)
{
	return http_settings_uri(page->settings,
							 settings_login_ids_path(verb_names[page->verb], page->type, page->own));
}

/* Find verb and type in the path.  Return false if there is no such page. */
static bool
read_path(LoginIdPage *page)
{
	int			verb;
	int			type;

	for (verb = 0; verb < lengthof(verb_names); verb++)
		for (type = 0; type < LOGIN_ID_TYPES; type++)
			if (strcmp(page->settings->path, settings_login_ids_path(verb_names[verb], type, NULL)) == 0)
			{
				page->verb = verb;
				page->type = type;
				return verb != VERB_VERIFY || type != LOGIN_ID_USERNAME;
			}
	return false;
}

/*
 * Find the login ID that the address names.  To change one, the only one of the type will
 * do as well: an SDK that does not know it sends "undefined".  False if there is none.
 */
static bool
find_own(LoginIdPage *page)
{
	char	   *named = http_param(&page->settings->query, "q_login_id");
	const LoginIdRow *found = NULL;
	const LoginIdRow *only = NULL;
	int			of_type = 0;
	int			count;
	LoginIdRow *rows = own_login_ids_list(&page->settings->user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		if (rows[i].type != page->type)
			continue;
		only = of_type++ == 0 ? &rows[i] : NULL;
		if (named != NULL && strcmp(rows[i].original_value, named) == 0)
			found = &rows[i];
	}
	if (found == NULL && page->verb == VERB_CHANGE)
		found = only;
	if (found == NULL)
		return false;
	page->own = found->original_value;
	page->own_value = found->value;
	page->own_is_verified = found->verified;
	return true;
}

/* Return the login ID of the form in its normalised form, or NULL. */
static const char *
normalised_login_id(const LoginIdPage *page)
{
	LoginId		login_id;

	return login_id_normalise(page->type, page->login_id, &page->settings->policy.login_id,
							  &login_id) == LOGIN_ID_ACCEPTED ? login_id.value : NULL;
}

/* ---- showing ---- */

static void
begin_page(StringInfo model, const LoginIdPage *page, const char *verb)
{
	http_settings_begin(model, page->settings,
						psprintf("%s_%s", verb, login_id_type_name(page->type)));
	json_add_string(model, "login_id_type", login_id_type_name(page->type));
}

static void
show_page(StringInfo model, const LoginIdPage *page, HttpResponse *response)
{
	settings_parts_end_form(model);
	settings_parts_end(model);
	http_settings_show(model, page->settings, response);
}

/* The form with the login ID.  That of an address has a code sent. */
static void
show_form(const LoginIdPage *page, HttpResponse *response)
{
	SettingsField field = {
		.type = field_types[page->type],
		.name = "login_id",
		.value = page->login_id,
		.hint = page->type == LOGIN_ID_PHONE_NUMBER ? "hint_phone_number" : NULL
	};
	StringInfoData model;

	begin_page(&model, page, verb_names[page->verb]);
	json_add_string(&model, "login_id", page->own == NULL ? "" : page->own);
	http_settings_focus(&model, "login_id");
	settings_parts_begin(&model);
	if (page->verb == VERB_CHANGE && page->own_is_verified)
		settings_parts_add_note(&model, "ends_other_sessions", false);
	settings_parts_begin_form(&model, own_uri(page),
							  page->type == LOGIN_ID_USERNAME ? "save" : "send_code", false);
	if (page->verb == VERB_VERIFY)
		settings_parts_add_hidden(&model, "login_id", page->own);
	else
		settings_parts_add_field(&model, &field);
	show_page(&model, page, response);
}

/* The form with the code that was sent to the address. */
static void
show_code_form(const LoginIdPage *page, HttpResponse *response)
{
	SettingsField field = {
		.type = SETTINGS_CODE,
		.name = "code",
		.value = page->code,
		.hint = "hint_code"
	};
	StringInfoData model;

	http_settings_begin(&model, page->settings, "code");
	json_add_string(&model, "login_id_type", login_id_type_name(page->type));
	json_add_string(&model, "login_id", page->login_id);
	http_settings_focus(&model, "code");
	settings_parts_begin(&model);
	settings_parts_begin_form(&model, own_uri(page), "confirm", false);
	settings_parts_add_hidden(&model, "step", "code");
	settings_parts_add_hidden(&model, "login_id", page->login_id);
	settings_parts_add_field(&model, &field);
	settings_parts_add_other_button(&model, "another_code");
	show_page(&model, page, response);
}

static void
show_removal(const LoginIdPage *page, HttpResponse *response)
{
	StringInfoData model;

	begin_page(&model, page, "remove");
	json_add_string(&model, "login_id", page->own);
	settings_parts_begin(&model);
	if (page->own_is_verified)
		settings_parts_add_note(&model, "ends_other_sessions", false);
	settings_parts_begin_form(&model, own_uri(page), "remove", true);
	show_page(&model, page, response);
}

/* ---- errors ---- */

/* Note an error that an address or a username has caused. */
static void
note_error(LoginIdPage *page, const ErrorData *error)
{
	HttpSettings *settings = page->settings;
	HttpCodePage code_page = {0};
	const char *reason;

	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_IDENTITY_EXISTS:
			http_settings_add_error(settings, "login_id", "taken");
			break;
		case ERRCODE_AA_INVALID_LOGIN_ID:
			reason = raise_json_member(error->detail, "reason");
			if (reason != NULL && strcmp(reason, login_id_reason_code(LOGIN_ID_TOO_MANY)) == 0)
				http_settings_add_error(settings, "login_id", "too_many");
			else
				http_settings_add_error(settings, "login_id",
										login_id_is_well_formed(page->type, page->login_id) ?
										"not_allowed" : "invalid");
			break;
		case ERRCODE_AA_LAST_CREDENTIAL:
			http_settings_add_error(settings, "form", "last_credential");
			break;
		default:
			http_code_page_set_error(&code_page, error);
			settings->wait = code_page.wait;
			settings->status = code_page.status;
			http_settings_add_error(settings, "form", code_page.form_error);
	}
}

/* Show the form with the login ID for an error of it, and otherwise the one with the code. */
static void
show_error(LoginIdPage *page, bool has_code_form, const ErrorData *error, HttpResponse *response)
{
	note_error(page, error);
	if (has_code_form && error->sqlerrcode != ERRCODE_AA_INVALID_LOGIN_ID &&
		error->sqlerrcode != ERRCODE_AA_IDENTITY_EXISTS)
		show_code_form(page, response);
	else
		show_form(page, response);
}

/* ---- adding and changing ---- */

static const char *
language_of(const HttpSettings *settings)
{
	const char *language = message_language_of_browser(settings->ui_locales);

	return language != NULL ? language :
		message_language_of_browser(http_header(settings->request, "accept-language"));
}

/* A SubtransactionAction. */
static void
request_code(void *arg)
{
	LoginIdPage *page = arg;
	const HttpSettings *settings = page->settings;

	(void) own_login_ids_request_code(&settings->user, &settings->session, page->type,
									  page->login_id, language_of(settings),
									  settings->request->now);
}

/* Have a code sent.  A user who got one a short while ago can type that. */
static void
send_code(LoginIdPage *page, HttpResponse *response)
{
	ErrorData  *error;
	bool		has_code;

	page->code = NULL;
	switch (http_settings_try(page->settings, request_code, page, response, &error))
	{
		case SETTINGS_DONE:
			show_code_form(page, response);
			break;
		case SETTINGS_REFUSED:
			has_code = http_param_is(&page->settings->form, "step", "code") ||
				http_code_page_is_wait(error);
			show_error(page, has_code, error, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

/* A SubtransactionAction: add the login ID and, to change one, remove the other. */
static void
add_login_id(void *arg)
{
	LoginIdPage *page = arg;
	HttpSettings *settings = page->settings;
	const char *value = normalised_login_id(page);

	page->is_right = own_login_ids_add(&settings->user, &settings->session, page->type,
									   page->login_id, page->code, settings->request->now);
	if (!page->is_right || page->verb != VERB_CHANGE || value == NULL ||
		strcmp(value, page->own_value) == 0)
		return;
	http_settings_lock(settings);
	(void) own_login_ids_remove(&settings->user, &settings->session, page->type, page->own,
								settings->request->now);
}

/*
 * Return whether the account is as the form asks for: a second click sends a code that the
 * first one has used up, or is about a login ID that was replaced.
 */
static bool
is_done_already(const LoginIdPage *page)
{
	const char *value = normalised_login_id(page);
	int			count;
	LoginIdRow *rows = own_login_ids_list(&page->settings->user, &count);
	int			i;

	if (value == NULL || (page->verb == VERB_CHANGE && page->own != NULL &&
						  strcmp(page->own_value, value) != 0))
		return false;
	for (i = 0; i < count; i++)
		if (rows[i].type == page->type && strcmp(rows[i].value, value) == 0)
			return rows[i].verified || page->type == LOGIN_ID_USERNAME;
	return false;
}

static void
say_done(const LoginIdPage *page, HttpResponse *response)
{
	static const char *const done[] = {
		[VERB_ADD] = "added",
		[VERB_CHANGE] = "changed",
		[VERB_VERIFY] = "verified",
		[VERB_REMOVE] = "removed"
	};

	http_settings_done(page->settings, "",
					   psprintf("%s_%s", login_id_type_name(page->type), done[page->verb]),
					   response);
}

static void
try_adding(LoginIdPage *page, HttpResponse *response)
{
	ErrorData  *error;

	switch (http_settings_try(page->settings, add_login_id, page, response, &error))
	{
		case SETTINGS_DONE:
			if (page->is_right || is_done_already(page))
			{
				say_done(page, response);
				break;
			}
			http_settings_add_error(page->settings, "code", "wrong");
			show_code_form(page, response);
			break;
		case SETTINGS_REFUSED:
			show_error(page, page->code != NULL, error, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

static char *
short_param(const HttpParams *params, const char *name)
{
	char	   *value = http_param(params, name);

	return value != NULL && strlen(value) > HTTP_LOGIN_ID_MAX_LENGTH ? NULL : value;
}

static void
handle_adding(LoginIdPage *page, HttpResponse *response)
{
	HttpSettings *settings = page->settings;
	const HttpParams *form = &settings->form;
	bool		is_code_form = http_param_is(form, "step", "code");

	page->login_id = page->verb == VERB_VERIFY ? unconstify(char *, page->own) :
		short_param(form, "login_id");
	page->code = is_code_form ? short_param(form, "code") : NULL;
	if (page->login_id == NULL)
	{
		http_settings_add_error(settings, "login_id", "required");
		show_form(page, response);
	}
	else if (page->type == LOGIN_ID_USERNAME)
	{
		page->code = NULL;
		try_adding(page, response);
	}
	else if (!is_code_form || http_param_is(form, "use", "another_code"))
		send_code(page, response);
	else if (page->code == NULL)
	{
		http_settings_add_error(settings, "code", "required");
		show_code_form(page, response);
	}
	else
		try_adding(page, response);
}

/* ---- removing ---- */

/* A SubtransactionAction.  The account may not have the login ID any longer. */
static void
remove_own(void *arg)
{
	LoginIdPage *page = arg;
	HttpSettings *settings = page->settings;

	http_settings_lock(settings);
	page->is_removed = own_login_ids_remove(&settings->user, &settings->session, page->type,
											page->own, settings->request->now);
}

static void
handle_removal(LoginIdPage *page, HttpResponse *response)
{
	ErrorData  *error;

	switch (http_settings_try(page->settings, remove_own, page, response, &error))
	{
		case SETTINGS_DONE:
			if (page->is_removed)
				say_done(page, response);
			else
				http_settings_leave(page->settings, response);
			break;
		case SETTINGS_REFUSED:
			note_error(page, error);
			show_removal(page, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

/* ---- the page ---- */

/* Return whether the site lets its users do this: no form may lead only to a refusal. */
static bool
is_offered(const LoginIdPage *page)
{
	return (page->verb != VERB_ADD && page->verb != VERB_CHANGE) ||
		account_policy_allows(&page->settings->policy, page->type);
}

/* A second click, or an old page, is about a login ID that is gone. */
static void
handle_missing(LoginIdPage *page, HttpResponse *response)
{
	HttpSettings *settings = page->settings;

	page->login_id = short_param(&settings->form, "login_id");
	if (!settings->is_post || page->verb != VERB_CHANGE || page->login_id == NULL)
		http_settings_leave(settings, response);
	else if (!http_settings_needs_login(settings, response))
	{
		if (is_done_already(page))
			say_done(page, response);
		else
			http_settings_leave(settings, response);
	}
}

void
settings_login_ids_page(HttpSettings *settings, HttpResponse *response)
{
	LoginIdPage page = {.settings = settings};

	if (!read_path(&page))
		http_settings_message(settings, 404, "not_found", response);
	else if (!is_offered(&page))
		http_settings_leave(settings, response);
	else if (page.verb != VERB_ADD && !find_own(&page))
		handle_missing(&page, response);
	else if (settings->is_post && page.verb == VERB_REMOVE)
		handle_removal(&page, response);
	else if (settings->is_post)
		handle_adding(&page, response);
	else if (!http_settings_needs_login(settings, response))
	{
		page.login_id = page.verb == VERB_VERIFY ? (char *) page.own : NULL;
		if (page.verb == VERB_REMOVE)
			show_removal(&page, response);
		else
			show_form(&page, response);
	}
}
