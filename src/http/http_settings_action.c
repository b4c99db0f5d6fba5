/*-------------------------------------------------------------------------
 *
 * http_settings_action.c
 *	  One page of the settings that an application opens for its user, and that leads back
 *	  to the application when the user has finished.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/discovery.h"
#include "domain/settings_action.h"
#include "http/http_authorization.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_settings_action.h"
#include "json/json_write.h"

/* ---- beginning ---- */

/*
 * Return the login ID that the user wants to replace, or NULL.  Authgear's SDKs send the
 * word "undefined" if the application names none.
 */
static char *
read_login_id(const HttpParams *params)
{
	char	   *text = http_param(params, "x_settings_action_query");
	HttpParams	query;
	char	   *login_id;

	if (text == NULL)
		return NULL;
	http_parse_params(text, &query);
	login_id = http_param(&query, "q_login_id");
	if (login_id == NULL || strcmp(login_id, "undefined") == 0 ||
		strlen(login_id) > HTTP_LOGIN_ID_MAX_LENGTH)
		return NULL;
	return login_id;
}

/* Return what is wrong with the name of an action that is not known here. */
static const char *
problem_of_name(const char *name, const HttpParams *params)
{
	char	   *alias = http_param(params, "x_oauth_provider_alias");

	if (name == NULL || (strcmp(name, "link_oauth") != 0 && strcmp(name, "unlink_oauth") != 0))
		return "invalid settings action";
	if (alias == NULL)
		return psprintf("oauthProviderAlias is required for %s", name);
	return psprintf("%s is not supported: there are no pages for identity providers", name);
}

const char *
http_settings_action_begin(const HttpRequest *request, const HttpParams *params,
						   const Session *session, const User *user, SettingsAction *action,
						   HttpResponse *response)
{
	const char *name = http_param(params, "x_settings_action");
	bool		is_for_guests;
	const char *path = name == NULL ? NULL : settings_action_path(name, &is_for_guests);
	StringInfoData location;
	char	   *text;

	if (path == NULL)
		return problem_of_name(name, params);
	if (user->is_anonymous && !is_for_guests)
		return "the settings action requires an account, and the user is anonymous";
	action->name = name;
	action->login_id = read_login_id(params);
	action->session_id = session->id;
	action->expires_at = request->now + PAGE_LIFETIME_SECONDS * USECS_PER_SEC;
	text = settings_action_write(action);
	if (strlen(text) > HTTP_MAX_AUTHORIZATION_REQUEST)
		return "the request is too long";
	initStringInfo(&location);
	appendStringInfo(&location, "%s/settings/%s", discovery_issuer(), path);
	http_append_param(&location, "q_login_id", action->login_id);
	http_append_param(&location, "x_ref", text);
	http_redirect(response, location.data);
	http_no_store(response);
	return NULL;
}

/* ---- on the page ---- */

static char *
read_ref(const HttpRequest *request)
{
	HttpParams	query;

	http_query(request, &query);
	return http_param(&query, "x_ref");
}

HttpSettingsActionState
http_settings_action_open(const HttpRequest *request, const Session *session,
						  HttpSettingsAction *action)
{
	memset(action, 0, sizeof(HttpSettingsAction));
	action->request = request;
	action->x_ref = read_ref(request);
	if (action->x_ref == NULL)
		return SETTINGS_ACTION_NONE;
	return settings_action_read(action->x_ref, session, request->now, &action->action,
								&action->client) ?
		SETTINGS_ACTION_VALID : SETTINGS_ACTION_REFUSED;
}

void
http_settings_action_refuse(const HttpRequest *request, HttpResponse *response)
{
	char	   *x_ref = read_ref(request);
	SettingsAction action;
	Client		client;

	if (x_ref != NULL && settings_action_origin(x_ref, &action, &client))
		http_message_page(request, response, 400, "expired", client.name,
						  http_authorization_error(action.redirect_uri, "access_denied",
												   "the page has expired", action.state),
						  action.ui_locales);
	else
		http_message_page(request, response, 400, "expired", NULL, NULL, NULL);
	http_no_store(response);
}

bool
http_settings_action_is_for(const HttpSettingsAction *action, const char *path)
{
	return strcmp(settings_action_path(action->action.name, NULL), path) == 0;
}

void
http_settings_action_append(const HttpSettingsAction *action, StringInfo uri)
{
	http_append_param(uri, "x_ref", action->x_ref);
}

static char *
cancel_uri(const HttpSettingsAction *action)
{
	return http_authorization_error(action->action.redirect_uri, "access_denied",
									"the user has cancelled", action->action.state);
}

char *
http_settings_action_cancel_uri(const char *page, const Session *session, TimestampTz now)
{
	const char *query = strchr(page, '?');
	HttpSettingsAction action;
	HttpParams	params;

	if (query == NULL)
		return NULL;
	http_parse_params(query + 1, &params);
	action.x_ref = http_param(&params, "x_ref");
	return action.x_ref != NULL &&
		settings_action_read(action.x_ref, session, now, &action.action, &action.client) ?
		cancel_uri(&action) : NULL;
}

void
http_settings_action_describe(const HttpSettingsAction *action, StringInfo model)
{
	json_add_string(model, "client_name", action->client.name);
	json_add_string(model, "cancel_uri", cancel_uri(action));

	/* Browsers apply form-action to the redirect that answers a form, too. */
	json_add_raw(model, "form_action_sources",
				 http_json_array(http_origin_of(action->action.redirect_uri)));
}

void
http_settings_action_cancel(const HttpSettingsAction *action, HttpResponse *response)
{
	http_redirect(response, cancel_uri(action));
	http_no_store(response);
}

void
http_settings_action_finish(const HttpSettingsAction *action, HttpResponse *response)
{
	http_redirect(response,
				  http_authorization_response(action->action.redirect_uri,
											  settings_action_create_code(&action->action,
																		  action->request->now),
											  action->action.state));
	http_no_store(response);
}
