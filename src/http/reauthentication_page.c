/*-------------------------------------------------------------------------
 *
 * reauthentication_page.c
 *	  GET and POST /settings/reauthenticate: the pages on which the user of the settings
 *	  pages logs in again, before a change that needs a recent login.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "domain/client.h"
#include "domain/session.h"
#include "http/http_endpoint.h"
#include "http/http_page.h"
#include "http/http_page_caller.h"
#include "http/http_params.h"
#include "http/http_reauthentication.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/http_settings_action.h"
#include "http/reauthentication_form.h"
#include "json/json_write.h"
#include "store/sessions.h"
#include "store/users.h"

typedef struct PageRequest
{
	const HttpRequest *request;
	char	   *next;			/* x_next, or NULL */
	char	   *ui_locales;		/* may be NULL */
	bool		user_is_known;
	Session		session;		/* these are set if user_is_known */
	User		user;
	Client		client;			/* of the session; its client_id is NULL if there is none */
	Reauthentication form;
	HttpResponse *response;
} PageRequest;

static const char *
client_name(const PageRequest *page)
{
	return page->client.client_id == NULL ? NULL : page->client.name;
}

/* The way back for a user who does not log in: to the application of a settings action. */
static char *
cancel_uri(const PageRequest *page)
{
	char	   *uri = page->next == NULL ? NULL :
		http_settings_action_cancel_uri(page->next, &page->session, page->request->now);

	return uri != NULL ? uri : http_reauthentication_next(NULL);
}

/* See ReauthenticationPage. */
static void
begin_model(StringInfo model, const char *view, const void *arg)
{
	const PageRequest *page = arg;
	StringInfoData action;

	initStringInfo(&action);
	http_append_param(&action, "x_next", page->next);
	http_append_param(&action, "ui_locales", page->ui_locales);
	http_page_begin(model, page->request, view, page->ui_locales);
	if (action.len > 0)
		json_add_string(model, "action", action.data);
	if (client_name(page) != NULL)
		json_add_string(model, "client_name", client_name(page));
	http_page_add_form_owner(model, &page->user);
	json_add_string(model, "cancel_uri", cancel_uri(page));
}

/* See ReauthenticationPage. */
static void
use_login(const User *user, const StringList *amr, void *arg)
{
	PageRequest *page = arg;
	Session		session;
	User		same_user;

	/* The call may have waited for whoever ended the session. */
	if (!session_find_alive(&page->session.user_id, &page->session.id, page->request->now,
							&session, &same_user))
		raise_invalid_session("The session has ended.");
	http_page_logged_in(page->request, &page->session, user, amr, page->response);
}

static const ReauthenticationPage reauthentication_page = {begin_model, use_login};

static void
show_message(const PageRequest *page, int status, const char *message, HttpResponse *response)
{
	http_message_page(page->request, response, status, message, client_name(page),
					  page->user_is_known ? cancel_uri(page) : http_reauthentication_next(NULL),
					  page->ui_locales);
	http_no_store(response);
}

static void
go_on(const PageRequest *page, HttpResponse *response)
{
	http_redirect(response, http_reauthentication_next(page->next));
	http_no_store(response);
}

/* Return whether the form that was sent asked this user to log in again. */
static bool
owns_form(const PageRequest *page)
{
	HttpParams	form;

	http_form(page->request, &form);
	return http_page_owns_form(&form, &page->user);
}

static void
handle_form(PageRequest *page, HttpResponse *response)
{
	switch (reauthentication_form_submit(&page->form, response))
	{
		case REAUTHENTICATION_SHOWN:
			break;
		case REAUTHENTICATION_DONE:
			go_on(page, response);
			break;
		case REAUTHENTICATION_DISABLED:
			show_message(page, 403, "disabled", response);
			break;
		case REAUTHENTICATION_REFUSED:
			reauthentication_form_show_refused(&page->form, response);
			break;
	}
}

/* Read the parameters of the query, and the client of the session. */
static void
read_request(const HttpRequest *request, PageRequest *page)
{
	HttpParams	query;

	http_query(request, &query);
	page->request = request;
	page->next = http_param(&query, "x_next");
	page->ui_locales = http_param(&query, "ui_locales");
}

static void
handle_reauthenticate(const HttpRequest *request, HttpResponse *response)
{
	PageRequest page = {.response = response};
	bool		is_post = strcmp(request->method, "POST") == 0;

	if (http_refuse_prefetch(request, response))
		return;
	read_request(request, &page);
	if (is_post && http_is_foreign(request, false))
	{
		show_message(&page, 403, "failed", response);
		return;
	}

	/* The settings page says what a guest, or a browser without a session, can do. */
	if (http_page_caller(request, &page.session, &page.user) != CALLER_KNOWN ||
		page.user.is_anonymous)
	{
		go_on(&page, response);
		return;
	}
	page.user_is_known = true;
	page.form.can_send = page.session.client_id != NULL &&
		client_find(page.session.client_id, &page.client);
	page.form.page = &reauthentication_page;
	page.form.arg = &page;
	page.form.request = request;
	page.form.client = &page.client;
	page.form.ui_locales = page.ui_locales;
	if (!reauthentication_form_open(&page.form, &page.user.id))
		show_message(&page, 403, "reauthenticate_elsewhere", response);
	else if (is_post && !owns_form(&page))
		reauthentication_form_show_error(&page.form, 409, "other_account", response);
	else if (is_post)
		handle_form(&page, response);
	else
	{
		http_page_renew_cookie(request, &page.session, response);
		reauthentication_form_show(&page.form, 200, response);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_reauthenticate);
Datum
anon_auth_http_reauthenticate(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_reauthenticate, http_write_page_error);
}
