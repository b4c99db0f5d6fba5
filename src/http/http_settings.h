/*-------------------------------------------------------------------------
 *
 * http_settings.h
 *	  What the settings pages have in common: the caller, addresses, errors, and
 *	  the frame of a page (settings_parts.h has what is in it).
 *
 * A form that changed something is answered with a redirect, so that a reload or the back
 * button does not send it again.  If an application has opened the page for a settings
 * action, that redirect leads to the application.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_SETTINGS_H
#define ANON_AUTH_HTTP_SETTINGS_H

#include "postgres.h"

#include "base/subtransaction.h"
#include "http/http_params.h"
#include "http/http_response.h"
#include "http/http_settings_action.h"
#include "lib/stringinfo.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"

typedef struct HttpSettings
{
	const HttpRequest *request;
	const char *path;			/* below /settings: "/sessions"; "" is the overview */
	bool		is_post;		/* and the form is for this user */
	HttpParams	query;
	HttpParams	form;			/* empty unless is_post */
	char	   *ui_locales;		/* NULL: not given */
	Session		session;
	User		user;
	AccountPolicy policy;
	bool		has_action;
	HttpSettingsAction action;	/* if has_action */

	/* What http_settings_show() says and answers with. */
	StringInfoData errors;		/* members: codes by the name of the field */
	int			wait;			/* seconds until the next try; 0: need not wait */
	int			status;
} HttpSettings;

/*
 * Find the caller, and read the request.  Return false if no page can be shown: nobody is
 * signed in, another site sent the form, or the path is none of the settings'.  The response
 * then says so.
 */
extern bool http_settings_open(HttpSettings *settings, const HttpRequest *request,
							   HttpResponse *response);

/*
 * Lock the caller's row and read it again, for a change.  Raises AA014 if the session has
 * ended.
 */
extern void http_settings_lock(HttpSettings *settings);

/*
 * Return the address of the settings page with this path, such as "/sessions", and query.
 * That of this page keeps the settings action.
 */
extern char *http_settings_uri(const HttpSettings *settings, const char *path);

/* Open the model of a page.  subject names its texts. */
extern void http_settings_begin(StringInfo model, const HttpSettings *settings,
								const char *subject);

/* Return whether the page says that this was done. */
extern bool http_settings_has_notice(const HttpSettings *settings, const char *notice);

/* Name the field that has the focus unless another one has an error. */
extern void http_settings_focus(StringInfo model, const char *field);

/* Note the error of a field, or that of the whole form if field is "form". */
extern void http_settings_add_error(HttpSettings *settings, const char *field, const char *code);
extern bool http_settings_has_errors(const HttpSettings *settings);

/* Close the model, and answer with the page. */
extern void http_settings_show(StringInfo model, const HttpSettings *settings,
							   HttpResponse *response);

/*
 * Answer a change with a redirect to another settings page, which says what was done unless
 * notice is NULL, or to the application of the settings action.
 */
extern void http_settings_done(const HttpSettings *settings, const char *path,
							   const char *notice, HttpResponse *response);

/* Answer a page that is not for this user or account with a redirect to the overview. */
extern void http_settings_leave(const HttpSettings *settings, HttpResponse *response);

typedef enum HttpSettingsOutcome
{
	SETTINGS_DONE,
	SETTINGS_ANSWERED,			/* another page had to be the response, which is written */
	SETTINGS_REFUSED			/* the caller shows the page with the error */
} HttpSettingsOutcome;

/*
 * Run an action.  The other page of SETTINGS_ANSWERED is for AA014, AA022 and AA024.  Any
 * other error is returned in *error or, if error is NULL, noted as one of the whole form.
 */
extern HttpSettingsOutcome http_settings_try(HttpSettings *settings, SubtransactionAction action,
											 void *arg, HttpResponse *response,
											 ErrorData **error);

/*
 * For a page whose form needs a recent login: return false if there was one.  Otherwise,
 * answer with the page that asks for it, before the user types anything.
 */
extern bool http_settings_needs_login(HttpSettings *settings, HttpResponse *response);

/* Note an error of http_settings_try() as one of the whole form. */
extern void http_settings_note_error(HttpSettings *settings, const ErrorData *error);

/* Answer with a page that shows a message. */
extern void http_settings_message(const HttpSettings *settings, int status, const char *message,
								  HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_SETTINGS_H */
