/*-------------------------------------------------------------------------
 *
 * settings_overview_page.c
 *	  /settings: what the account has, with links to the other pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/shown_text.h"
#include "domain/client.h"
#include "domain/credentials.h"
#include "domain/federated_identity.h"
#include "domain/own_login_ids.h"
#include "domain/own_sessions.h"
#include "domain/session.h"
#include "http/http_guest_sign_up.h"
#include "http/http_page_caller.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_read.h"
#include "json/json_write.h"

static void
add_link(StringInfo model, const HttpSettings *settings, const char *text, const char *path)
{
	settings_parts_add_link(model, text, http_settings_uri(settings, path));
}

/* Return a text that an identity provider or an administrator has written, or NULL. */
static const char *
shown_member(const Jsonb *object, const char *name)
{
	const char *text = object == NULL ? NULL : json_cstring(object, name);

	return text == NULL ? NULL : shown_text(text, PROFILE_TEXT_MAX_LENGTH);
}

/* ---- login IDs and identities ---- */

static void
add_login_id_link(StringInfo model, const HttpSettings *settings, const char *text,
				  const char *verb, const LoginIdRow *row)
{
	add_link(model, settings, text,
			 settings_login_ids_path(verb, row->type, row->original_value));
}

static void
add_login_id(StringInfo model, const HttpSettings *settings, const LoginIdRow *row,
			 const Credentials *credentials)
{
	bool		is_address = row->type != LOGIN_ID_USERNAME;
	bool		can_remove = credentials_open_account_without(credentials, row);

	settings_parts_begin_row(model, login_id_type_name(row->type), row->original_value, NULL);
	settings_parts_begin_facts(model);
	if (is_address)
		settings_parts_add_fact(model, row->verified ? "confirmed" : "unconfirmed", NULL, NULL);
	if (!can_remove)
		settings_parts_add_fact(model, "only_way", NULL, NULL);
	settings_parts_begin_ways(model);
	if (is_address && !row->verified)
		add_login_id_link(model, settings, "verify", "verify", row);
	if (account_policy_allows(&settings->policy, row->type))
		add_login_id_link(model, settings, "change", "change", row);
	if (can_remove)
		add_login_id_link(model, settings, "remove", "remove", row);
	settings_parts_end_row(model);
}

/* The issuer is an https URI.  Its user knows it by the claims of the last token, if at all. */
static void
add_identity(StringInfo model, const HttpSettings *settings, const UserIdentity *identity,
			 bool can_remove)
{
	const char *host = strstr(identity->issuer, "://");
	const char *email = shown_member(identity->claims, "email");

	settings_parts_begin_row(model, "identity", host == NULL ? identity->issuer : host + 3, NULL);
	settings_parts_begin_facts(model);
	if (email != NULL)
		settings_parts_add_fact(model, "identity_email", "address", email);
	if (!can_remove)
		settings_parts_add_fact(model, "only_way", NULL, NULL);
	settings_parts_begin_ways(model);
	if (can_remove)
		add_link(model, settings, "remove", settings_identity_path(identity->issuer));
	settings_parts_end_row(model);
}

/* Return whether the account can be opened without its identities at this one's provider. */
static bool
can_remove_identity(const Credentials *credentials, const UserIdentity *identities, int count,
					const UserIdentity *identity)
{
	Credentials rest = *credentials;
	int			i;

	for (i = 0; i < count; i++)
		if (strcmp(identities[i].issuer, identity->issuer) == 0)
			rest.identities--;
	return credentials_open_account(&rest);
}

static void
add_login_ids(StringInfo model, const HttpSettings *settings)
{
	int			count;
	LoginIdRow *rows = own_login_ids_list(&settings->user, &count);
	int			identity_count;
	UserIdentity *identities = federated_identity_list(&settings->user, &identity_count);
	Credentials credentials;
	int			type;
	int			i;

	credentials_of(&settings->user, &credentials);
	settings_parts_begin_rows(model, "login_ids");
	for (i = 0; i < count; i++)
		add_login_id(model, settings, &rows[i], &credentials);
	for (i = 0; i < identity_count; i++)
		add_identity(model, settings, &identities[i],
					 can_remove_identity(&credentials, identities, identity_count, &identities[i]));
	settings_parts_end_rows(model);
	settings_parts_begin_links(model);
	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (account_policy_allows(&settings->policy, type))
			add_link(model, settings, psprintf("add_%s", login_id_type_name(type)),
					 settings_login_ids_path("add", type, NULL));
	settings_parts_end_links(model);
}

/* ---- the rest ---- */

static void
add_password(StringInfo model, const HttpSettings *settings)
{
	settings_parts_begin_row(model, "password", NULL,
							 settings->user.has_password ? "password_set" : "password_not_set");
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, settings->user.has_password ? "change_password" : "set_password",
			 "/change_password");
	settings_parts_end_row(model);
}

static void
add_sessions(StringInfo model, const HttpSettings *settings)
{
	int			count;

	(void) own_sessions_list(&settings->user, settings->request->now, &count);
	settings_parts_begin_row(model, "sessions", NULL,
							 count == 1 ? "sessions_only_this" : "sessions_count");
	json_add_string(model, "count", psprintf("%d", count));
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, "show_sessions", "/sessions");
	settings_parts_end_row(model);
}

static void
add_profile(StringInfo model, const HttpSettings *settings)
{
	const Jsonb *attributes = settings->user.standard_attributes;
	const char *name = shown_member(attributes, "name");

	settings_parts_begin_rows(model, NULL);
	settings_parts_begin_row(model, "profile", name, "profile_without_name");
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, "edit_profile", "/profile");
	settings_parts_end_row(model);
	settings_parts_end_rows(model);
}

/* A row that has no value, and leads to another page. */
static void
add_page(StringInfo model, const HttpSettings *settings, const char *text, const char *path)
{
	settings_parts_begin_row(model, NULL, NULL, psprintf("%s_row", text));
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	add_link(model, settings, text, path);
	settings_parts_end_row(model);
}

static void
add_data(StringInfo model, const HttpSettings *settings)
{
	settings_parts_begin_rows(model, "account_itself");
	add_page(model, settings, "export", "/export");
	if (settings->user.delete_at == 0)
		add_page(model, settings, settings->user.is_anonymous ? "delete_guest" : "delete_account",
				 "/delete_account");
	settings_parts_end_rows(model);
}

/* ---- logging out ---- */

/* A guest has no way back, so it can only delete its data. */
static void
add_log_out(StringInfo model, const HttpSettings *settings)
{
	if (settings->user.is_anonymous)
		return;
	settings_parts_begin_plain_form(model, http_settings_uri(settings, ""), "log_out");
	settings_parts_add_hidden(model, "log_out", "yes");
	settings_parts_end_form(model);
}

/* End the session that the page shows: that of this browser, or of the app that opened it. */
static void
log_out(const HttpSettings *settings, HttpResponse *response)
{
	const Session *session = &settings->session;

	if (settings->user.is_anonymous)
	{
		http_settings_leave(settings, response);
		return;
	}
	session_end(&session->user_id, &session->id, session->client_id, settings->request->now);
	http_page_clear_cookie(settings->request, session, response);
	http_settings_message(settings, 200, "logged_out", response);
}

/* ---- guests ---- */

/* Find the client that can promote the guest of this browser's cookie. */
static bool
find_sign_up_client(const HttpSettings *settings, Client *client)
{
	const Session *session = &settings->session;

	return settings->user.is_anonymous && session->session_type == SESSION_COOKIE &&
		session->client_id != NULL && client_find(session->client_id, client) &&
		http_guest_sign_up_is_possible(client);
}

static void
add_sign_up(StringInfo model, const HttpSettings *settings)
{
	Client		client;

	if (!find_sign_up_client(settings, &client))
	{
		settings_parts_add_note(model, "guest_note", false);
		return;
	}
	settings_parts_add_note(model, "guest_sign_up_note", false);
	settings_parts_begin_form(model, http_settings_uri(settings, ""), "sign_up", false);
	settings_parts_add_hidden(model, "sign_up", "yes");
	settings_parts_end_form(model);
}

static void
sign_up(const HttpSettings *settings, HttpResponse *response)
{
	Client		client;

	if (find_sign_up_client(settings, &client))
		http_guest_sign_up(settings->request, &settings->session, &settings->user, &client,
						   client.redirect_uris.items[0], settings->ui_locales, response);
	else
		http_settings_leave(settings, response);
}

/* ---- the page ---- */

static void
show_overview(const HttpSettings *settings, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, settings, "overview");
	settings_parts_begin(&model);
	if (settings->user.delete_at != 0)
		settings_deletion_add_undo(&model, settings);
	if (settings->user.is_anonymous)
		add_sign_up(&model, settings);
	add_profile(&model, settings);
	if (!settings->user.is_anonymous)
		add_login_ids(&model, settings);
	settings_parts_begin_rows(&model, "security");
	if (!settings->user.is_anonymous)
		add_password(&model, settings);
	settings_passkeys_add_row(&model, settings);
	add_sessions(&model, settings);
	settings_parts_end_rows(&model);
	add_data(&model, settings);
	add_log_out(&model, settings);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

void
settings_overview_page(HttpSettings *settings, HttpResponse *response)
{
	if (settings->is_post && http_param_is(&settings->form, "sign_up", "yes"))
		sign_up(settings, response);
	else if (settings->is_post && http_param_is(&settings->form, "log_out", "yes"))
		log_out(settings, response);
	else
		show_overview(settings, response);
}
