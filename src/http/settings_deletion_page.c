/*-------------------------------------------------------------------------
 *
 * settings_deletion_page.c
 *	  /settings/delete_account: delete the account, or keep it while that is still
 *	  possible.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "domain/account_deletion.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "http/http_page_caller.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"

/* ---- showing ---- */

/* The account will be deleted: the user can keep it. */
void
settings_deletion_add_undo(StringInfo model, const HttpSettings *settings)
{
	settings_parts_add_time_note(model, "deletion_scheduled", true, settings->user.delete_at);
	settings_parts_begin_form(model, http_settings_uri(settings, "/delete_account"),
							  "keep_account", false);
	settings_parts_add_hidden(model, "keep", "yes");
	settings_parts_end_form(model);
}

/* What will happen. */
static void
add_consequences(StringInfo model, const HttpSettings *settings)
{
	if (account_deletion_is_immediate(&settings->user))
		settings_parts_add_note(model, "deletion_at_once", true);
	else
		settings_parts_add_time_note(model, "deletion_later", true,
									 account_deletion_time(settings->request->now));
}

static void
show_form(const HttpSettings *settings, HttpResponse *response)
{
	bool		is_guest = settings->user.is_anonymous;
	SettingsField confirm = {.type = SETTINGS_CHECK,.name = is_guest ? "delete_guest" : "delete"};
	StringInfoData model;

	http_settings_begin(&model, settings, is_guest ? "delete_guest" : "delete_account");
	settings_parts_begin(&model);
	if (settings->user.delete_at != 0)
		settings_deletion_add_undo(&model, settings);
	else
	{
		add_consequences(&model, settings);
		settings_parts_begin_form(&model, http_settings_uri(settings, "/delete_account"),
								  is_guest ? "delete_guest" : "delete_account", true);
		settings_parts_add_field(&model, &confirm);
		settings_parts_end_form(&model);
	}
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

/* ---- deleting ---- */

/*
 * A SubtransactionAction.  A guest's device key comes before its row in the lock order, so
 * the row is locked first only if it stays.
 */
static void
delete_account(void *arg)
{
	HttpSettings *settings = arg;
	TimestampTz now = settings->request->now;
	User	   *user = &settings->user;
	Session	   *session = &settings->session;

	if (!account_deletion_is_immediate(user))
	{
		http_settings_lock(settings);
		(void) account_deletion_schedule(user, session, now);
		return;
	}
	if (!account_deletion_lock(&user->id, user->device_kid, user, now))
		raise_invalid_session("The user does not exist.");
	/* The session may have ended while this call waited. */
	http_settings_lock(settings);
	recent_login_require(user, session, now);
	account_deletion_run(user, "requested", session->client_id, now);
}

static void
handle_deletion(HttpSettings *settings, HttpResponse *response)
{
	bool		is_guest = settings->user.is_anonymous;
	bool		is_immediate = account_deletion_is_immediate(&settings->user);
	const char *box = is_guest ? "delete_guest" : "delete";

	if (!http_param_is(&settings->form, box, "yes"))
	{
		http_settings_add_error(settings, box, "required");
		show_form(settings, response);
		return;
	}
	switch (http_settings_try(settings, delete_account, settings, response, NULL))
	{
		case SETTINGS_DONE:
			if (is_immediate)
				http_page_clear_cookie(settings->request, &settings->session, response);
			if (is_immediate && !settings->has_action)
				http_settings_message(settings, 200, is_guest ? "guest_deleted" : "account_deleted",
									  response);
			else
				http_settings_done(settings, "", "deletion_scheduled", response);
			break;
		case SETTINGS_REFUSED:
			show_form(settings, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

/* A SubtransactionAction.  A second click finds nothing to undo. */
static void
keep_account(void *arg)
{
	HttpSettings *settings = arg;

	http_settings_lock(settings);
	(void) account_deletion_cancel(&settings->user, &settings->session, settings->request->now);
}

static void
handle_keeping(HttpSettings *settings, HttpResponse *response)
{
	switch (http_settings_try(settings, keep_account, settings, response, NULL))
	{
		case SETTINGS_DONE:
			/* For an application that asked for the deletion, this is "Cancel". */
			if (settings->has_action)
				http_settings_action_cancel(&settings->action, response);
			else
				http_settings_done(settings, "", "account_kept", response);
			break;
		case SETTINGS_REFUSED:
			show_form(settings, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_deletion_page(HttpSettings *settings, HttpResponse *response)
{
	if (settings->is_post && http_param_is(&settings->form, "keep", "yes"))
		handle_keeping(settings, response);
	else if (settings->is_post)
		handle_deletion(settings, response);
	else if (settings->user.delete_at != 0 || !http_settings_needs_login(settings, response))
		show_form(settings, response);
}
