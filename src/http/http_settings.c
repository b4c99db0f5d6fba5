/*-------------------------------------------------------------------------
 *
 * http_settings.c
 *	  What the settings pages have in common: the caller, addresses, errors, and
 *	  the frame of a page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/discovery.h"
#include "domain/login.h"
#include "domain/own_login_ids.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "http/http_errors.h"
#include "http/http_page.h"
#include "http/http_page_caller.h"
#include "http/http_reauthentication.h"
#include "http/http_settings.h"
#include "http/http_settings_login.h"
#include "json/json_write.h"

/* The parameter with the name of a notice. */
#define NOTICE_PARAMETER	"x_done"

/* ---- opening ---- */

/* Return whether the request shows a session, and read it and its user's row. */
static bool
find_caller(HttpSettings *settings)
{
	TimestampTz now = settings->request->now;
	Session		session;

	if (http_page_caller(settings->request, &settings->session, &settings->user) != CALLER_KNOWN)
		return false;
	session_get_user(&settings->session.user_id, &settings->session.id, now, &settings->user,
					 &session);
	return true;
}

static void
read_request(HttpSettings *settings)
{
	const HttpRequest *request = settings->request;

	http_query(request, &settings->query);
	settings->ui_locales = http_param(&settings->query, "ui_locales");
	settings->is_post = strcmp(request->method, "POST") == 0;
	if (settings->is_post)
		http_form(request, &settings->form);
}

/* Find the settings action.  Return false if the address has one that cannot be used here. */
static bool
open_action(HttpSettings *settings)
{
	switch (http_settings_action_open(settings->request, &settings->session, &settings->action))
	{
		case SETTINGS_ACTION_NONE:
			return true;
		case SETTINGS_ACTION_REFUSED:
			return false;
		case SETTINGS_ACTION_VALID:
			break;
	}
	settings->has_action = true;
	if (settings->ui_locales == NULL)
		settings->ui_locales = settings->action.action.ui_locales;
	return settings->path[0] == '/' &&
		http_settings_action_is_for(&settings->action, settings->path + 1);
}

/* Return path and query of this page, for the way back to it. */
static char *
own_address(const HttpSettings *settings)
{
	StringInfoData address;
	int			i;

	initStringInfo(&address);
	appendStringInfo(&address, "/settings%s", settings->path);
	for (i = 0; i < settings->query.count; i++)
		if (strcmp(settings->query.names[i], NOTICE_PARAMETER) != 0)
			http_append_param(&address, settings->query.names[i], settings->query.values[i]);
	return address.data;
}

/*
 * Nobody is logged in.  A settings action needs its app.  A user who has just left the log-in
 * comes back with the parameter "error", and must not be sent there again.
 */
static void
answer_signed_out(const HttpSettings *settings, HttpResponse *response)
{
	const HttpRequest *request = settings->request;

	if (http_param(&settings->query, "x_ref") != NULL)
		http_settings_action_refuse(request, response);
	else if (http_param(&settings->query, "error") != NULL)
		http_settings_signed_out(request, settings->ui_locales, response);
	else
		http_settings_log_in(request, own_address(settings), settings->ui_locales, response);
}

/*
 * A form that was made for another user, or that no page of ours has made, is not acted on:
 * the page is shown as for GET, and says so.
 */
static void
check_form_owner(HttpSettings *settings)
{
	if (!settings->is_post || http_page_owns_form(&settings->form, &settings->user))
		return;
	settings->is_post = false;
	settings->status = 409;
	http_settings_add_error(settings, "form", "other_account");
}

bool
http_settings_open(HttpSettings *settings, const HttpRequest *request, HttpResponse *response)
{
	char	   *path = http_path_below(request, "/settings");

	memset(settings, 0, sizeof(HttpSettings));
	settings->request = request;
	settings->status = 200;
	initStringInfo(&settings->errors);
	if (http_refuse_prefetch(request, response))
		return false;
	if (strcmp(request->method, "POST") == 0 && http_is_foreign(request, false))
	{
		http_settings_message(settings, 403, "failed", response);
		return false;
	}
	read_request(settings);
	settings->path = path == NULL || strcmp(path, "/") == 0 ? "" : path;
	if (!find_caller(settings))
	{
		answer_signed_out(settings, response);
		return false;
	}
	if (!open_action(settings))
	{
		http_settings_action_refuse(request, response);
		return false;
	}
	check_form_owner(settings);
	http_page_renew_cookie(request, &settings->session, response);
	login_read_policy(&settings->policy);
	return true;
}

void
http_settings_lock(HttpSettings *settings)
{
	session_lock_found(settings->request->now, &settings->user, &settings->session);
}

/* ---- addresses ---- */

/* Return whether a path with a query is that of this page. */
static bool
is_path_of(const HttpSettings *settings, const char *path)
{
	size_t		length = strlen(settings->path);

	return strncmp(path, settings->path, length) == 0 &&
		(path[length] == '\0' || path[length] == '?');
}

char *
http_settings_uri(const HttpSettings *settings, const char *path)
{
	StringInfoData uri;

	initStringInfo(&uri);
	appendStringInfo(&uri, "%s/settings%s", discovery_issuer(), path);
	http_append_param(&uri, "ui_locales", settings->ui_locales);
	if (settings->has_action && is_path_of(settings, path))
		http_settings_action_append(&settings->action, &uri);
	return uri.data;
}

static void
redirect_to(const HttpSettings *settings, const char *path, const char *notice,
			HttpResponse *response)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfoString(&location, http_settings_uri(settings, path));
	http_append_param(&location, NOTICE_PARAMETER, notice);
	http_redirect(response, location.data);
	http_no_store(response);
}

void
http_settings_done(const HttpSettings *settings, const char *path, const char *notice,
				   HttpResponse *response)
{
	if (settings->has_action)
		http_settings_action_finish(&settings->action, response);
	else
		redirect_to(settings, path, notice, response);
}

void
http_settings_leave(const HttpSettings *settings, HttpResponse *response)
{
	if (settings->has_action)
		http_settings_action_refuse(settings->request, response);
	else
		redirect_to(settings, "", NULL, response);
}

/* ---- the frame ---- */

/* Return a text by which users recognise their account, or NULL. */
static const char *
account_name(const HttpSettings *settings)
{
	int			count;
	LoginIdRow *rows = own_login_ids_list(&settings->user, &count);

	return count > 0 ? rows[0].original_value : NULL;
}

static void
add_account(StringInfo model, const HttpSettings *settings)
{
	const char *name = settings->user.is_anonymous ? NULL : account_name(settings);

	json_add_boolean(model, "is_guest", settings->user.is_anonymous);
	if (name != NULL)
		json_add_string(model, "account", name);
}

/*
 * Return the notice of the page, or NULL.  A link of another site must not tell the user what
 * has been done.
 */
static const char *
notice_of(const HttpSettings *settings)
{
	if (settings->is_post || http_origin(settings->request) != ORIGIN_OWN)
		return NULL;
	return http_param(&settings->query, NOTICE_PARAMETER);
}

bool
http_settings_has_notice(const HttpSettings *settings, const char *notice)
{
	const char *shown = notice_of(settings);

	return shown != NULL && strcmp(shown, notice) == 0;
}

void
http_settings_begin(StringInfo model, const HttpSettings *settings, const char *subject)
{
	const char *notice = notice_of(settings);

	initStringInfo(model);
	http_page_begin(model, settings->request, "settings", settings->ui_locales);
	json_add_string(model, "subject", subject);
	add_account(model, settings);
	http_page_add_form_owner(model, &settings->user);
	if (notice != NULL)
		json_add_string(model, "notice", notice);
	if (settings->has_action)
		http_settings_action_describe(&settings->action, model);
	else if (settings->path[0] != '\0')
		json_add_string(model, "back_uri", http_settings_uri(settings, ""));
}

void
http_settings_focus(StringInfo model, const char *field)
{
	json_add_string(model, "first_field", field);
}

void
http_settings_add_error(HttpSettings *settings, const char *field, const char *code)
{
	StringInfo	errors = &settings->errors;

	if (errors->len == 0)
		json_open(errors);
	if (code[0] == '[')
		json_add_raw(errors, field, code);
	else
		json_add_string(errors, field, code);
	if (settings->status == 200)
		settings->status = HTTP_UNACCEPTABLE;
}

bool
http_settings_has_errors(const HttpSettings *settings)
{
	return settings->errors.len > 0;
}

void
http_settings_show(StringInfo model, const HttpSettings *settings, HttpResponse *response)
{
	if (settings->errors.len > 0)
		json_add_raw(model, "errors", psprintf("%s}", settings->errors.data));
	http_page_add_wait(model, settings->wait);
	json_close(model);
	http_page(response, settings->status, model->data);
	http_no_store(response);
	http_add_retry_after(response, settings->wait);
}

void
http_settings_message(const HttpSettings *settings, int status, const char *message,
					  HttpResponse *response)
{
	http_message_page(settings->request, response, status, message, NULL, NULL,
					  settings->ui_locales);
	http_no_store(response);
}

/* ---- actions and their errors ---- */

void
http_settings_note_error(HttpSettings *settings, const ErrorData *error)
{
	HttpFormError shown = http_form_error(error);

	settings->wait = shown.wait;
	settings->status = shown.status;
	http_settings_add_error(settings, "form", shown.text);
}

HttpSettingsOutcome
http_settings_try(HttpSettings *settings, SubtransactionAction action, void *arg,
				  HttpResponse *response, ErrorData **error)
{
	ErrorData  *caught = http_try(action, arg);

	if (error != NULL)
		*error = caught;
	if (caught == NULL)
		return SETTINGS_DONE;
	switch (caught->sqlerrcode)
	{
		case ERRCODE_AA_INVALID_TOKEN:
			answer_signed_out(settings, response);
			return SETTINGS_ANSWERED;
		case ERRCODE_AA_RECENT_LOGIN_REQUIRED:
			http_reauthenticate(response, own_address(settings));
			return SETTINGS_ANSWERED;
		case ERRCODE_AA_ACCOUNT_REQUIRED:
			http_settings_leave(settings, response);
			return SETTINGS_ANSWERED;
	}
	if (error == NULL)
		http_settings_note_error(settings, caught);
	return SETTINGS_REFUSED;
}

/* A SubtransactionAction. */
static void
require_recent_login(void *arg)
{
	const HttpSettings *settings = arg;

	recent_login_require(&settings->user, &settings->session, settings->request->now);
}

bool
http_settings_needs_login(HttpSettings *settings, HttpResponse *response)
{
	return http_settings_try(settings, require_recent_login, settings, response, NULL) ==
		SETTINGS_ANSWERED;
}
