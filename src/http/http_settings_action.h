/*-------------------------------------------------------------------------
 *
 * http_settings_action.h
 *	  One page of the settings that an application opens for its user, and that leads back
 *	  to the application when the user has finished (domain/settings_action.h).
 *
 * The page is the same as without an application.  The address of the page, and that of its
 * forms, has the application's request as the parameter x_ref.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_SETTINGS_ACTION_H
#define ANON_AUTH_HTTP_SETTINGS_ACTION_H

#include "postgres.h"

#include "domain/settings_action.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "lib/stringinfo.h"
#include "store/clients.h"
#include "store/sessions.h"

typedef enum HttpSettingsActionState
{
	SETTINGS_ACTION_NONE,		/* no application opened the page: it leads to the settings */
	SETTINGS_ACTION_VALID,
	SETTINGS_ACTION_REFUSED		/* expired, or of another session */
} HttpSettingsActionState;

typedef struct HttpSettingsAction
{
	const HttpRequest *request;
	char	   *x_ref;			/* as the address has it */
	SettingsAction action;
	Client		client;
} HttpSettingsAction;

/*
 * Begin the action that an authorization request of client asks for in the session of an
 * app: redirect the browser to the action's page.  action has redirect_uri, state,
 * ui_locales and code_challenge; the rest is filled in.  Return NULL, or what is wrong with
 * the request.
 */
extern const char *http_settings_action_begin(const HttpRequest *request, const HttpParams *params,
											  const Session *session, const User *user,
											  SettingsAction *action, HttpResponse *response);

/*
 * Fill action from the parameter x_ref of the address.  session is that of
 * http_page_caller().  Pages call this before they show anything.
 */
extern HttpSettingsActionState http_settings_action_open(const HttpRequest *request,
														 const Session *session,
														 HttpSettingsAction *action);

/*
 * Answer a request whose x_ref cannot be used, or whose session has ended: with a page
 * that says so and leads back to the client.
 */
extern void http_settings_action_refuse(const HttpRequest *request, HttpResponse *response);

/* Return whether the action's page is this one: a path below /settings/. */
extern bool http_settings_action_is_for(const HttpSettingsAction *action, const char *path);

/* Append x_ref to the address of a form or of another page of the action. */
extern void http_settings_action_append(const HttpSettingsAction *action, StringInfo uri);

/*
 * Add the members of a page's model that name the client and lead back to it: client_name,
 * cancel_uri (the client gets access_denied) and form_action_sources.
 */
extern void http_settings_action_describe(const HttpSettingsAction *action, StringInfo model);

/*
 * Return cancel_uri for the path and query of a page of this session, or NULL if it is not
 * the page of an action.
 */
extern char *http_settings_action_cancel_uri(const char *page, const Session *session,
											 TimestampTz now);

/* The user has decided not to: redirect the browser as cancel_uri does. */
extern void http_settings_action_cancel(const HttpSettingsAction *action, HttpResponse *response);

/*
 * The user has done what the application asked for: redirect the browser to it with a code.
 * Needs neither the session nor the user, who may be deleted now.
 */
extern void http_settings_action_finish(const HttpSettingsAction *action, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_SETTINGS_ACTION_H */
