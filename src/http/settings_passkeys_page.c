/*-------------------------------------------------------------------------
 *
 * settings_passkeys_page.c
 *	  /settings/passkeys: the passkeys.
 *	  /settings/passkeys/remove: remove one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/shown_text.h"
#include "domain/credentials.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "http/http_passkey.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "http/settings_removal.h"
#include "json/json_write.h"

/* The notice of the list after a removal. */
#define REMOVED		"passkey_removed"

/* Return the path of the page that removes a passkey. */
static char *
path_of_passkey(const Passkey *passkey)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, "/passkeys/remove");
	http_append_param(&path, "q_id", passkey_id_text(passkey));
	return path.data;
}

/* ---- the list ---- */

/* Return whether the user can still log in without one of the passkeys; a guest need not. */
static bool
can_remove(const User *user)
{
	Credentials credentials;

	if (user->is_anonymous)
		return true;
	credentials_of(user, &credentials);
	credentials.passkeys--;
	return credentials_open_account(&credentials);
}

/*
 * Begin the row of a passkey, up to its facts.  A backed-up passkey is one that a password
 * manager copies to the other devices of the user.
 */
static void
begin_passkey(StringInfo model, const Passkey *passkey)
{
	settings_parts_begin_row(model, NULL, passkey->name == NULL ? NULL :
							 shown_text(passkey->name, CREDENTIAL_NAME_MAX_LENGTH),
							 "passkey_unnamed");
	settings_parts_begin_facts(model);
	settings_parts_add_fact(model, passkey->is_backed_up ? "passkey_synchronized" :
							"passkey_on_one_device", NULL, NULL);
	settings_parts_add_time(model, "passkey_added", passkey->created_at);
	settings_parts_add_time(model, "session_used", passkey->last_used_at);
}

static void
add_passkeys(StringInfo model, const HttpSettings *settings, const Passkey *passkeys, int count)
{
	bool		is_removable = can_remove(&settings->user);
	int			i;

	settings_parts_begin_rows(model, NULL);
	for (i = 0; i < count; i++)
	{
		begin_passkey(model, &passkeys[i]);
		if (!is_removable)
			settings_parts_add_fact(model, "only_way", NULL, NULL);
		settings_parts_begin_ways(model);
		if (is_removable)
			settings_parts_add_link(model, "remove",
									http_settings_uri(settings, path_of_passkey(&passkeys[i])));
		settings_parts_end_row(model);
	}
	settings_parts_end_rows(model);
}

void
settings_passkeys_page(HttpSettings *settings, HttpResponse *response)
{
	StringInfoData model;
	int			count;
	Passkey    *passkeys = passkey_list(&settings->user, &count);

	http_settings_begin(&model, settings, "passkeys");
	settings_parts_begin(&model);
	if (settings->user.is_anonymous)
		settings_parts_add_note(&model, "passkeys_of_guest", false);
	if (count > 0)
		add_passkeys(&model, settings, passkeys, count);
	else
		settings_parts_add_note(&model, "passkeys_none_yet", false);
	if (count >= PASSKEYS_MAX)
		settings_parts_add_note(&model, "passkeys_full", false);
	else if (http_passkey_is_offered())
	{
		settings_parts_begin_links(&model);
		settings_parts_add_link(&model, "add_passkey",
								http_settings_uri(settings, "/passkeys/add"));
		settings_parts_end_links(&model);
	}
	if (http_settings_has_notice(settings, REMOVED) && http_passkey_signals())
		settings_parts_add_accepted_passkeys(&model, passkey_options_accepted(&settings->user));
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

void
settings_passkeys_add_row(StringInfo model, const HttpSettings *settings)
{
	int			count;

	(void) passkey_list(&settings->user, &count);
	if (count == 0 && !http_passkey_is_offered())
		return;
	settings_parts_begin_row(model, "passkeys", NULL, count == 0 ? "passkeys_none" :
							 count == 1 ? "passkeys_only_one" : "passkeys_count");
	json_add_string(model, "count", psprintf("%d", count));
	settings_parts_begin_facts(model);
	settings_parts_begin_ways(model);
	settings_parts_add_link(model, "show_passkeys", http_settings_uri(settings, "/passkeys"));
	settings_parts_end_row(model);
}

/* ---- removing ---- */

static void
add_row(StringInfo model, const HttpSettings *settings, const void *passkey)
{
	begin_passkey(model, passkey);
	settings_parts_begin_ways(model);
	settings_parts_end_row(model);
}

static bool
remove_passkey(HttpSettings *settings, const char *id)
{
	return passkey_remove(&settings->user, &settings->session, id, settings->request->now);
}

/* Return the caller's passkey with this id, which may be NULL, or NULL. */
static const Passkey *
find_passkey(const HttpSettings *settings, const char *id)
{
	int			count;
	Passkey    *passkeys = passkey_list(&settings->user, &count);
	int			i;

	for (i = 0; i < count && id != NULL; i++)
		if (strcmp(passkey_id_text(&passkeys[i]), id) == 0)
			return &passkeys[i];
	return NULL;
}

void
settings_remove_passkey_page(HttpSettings *settings, HttpResponse *response)
{
	char	   *id = http_param(&settings->query, "q_id");
	const Passkey *passkey = find_passkey(settings, id);
	SettingsRemoval removal = {
		.subject = "remove_passkey",
		.id = id,
		.row = passkey,
		.add_row = add_row,
		.ends_other_sessions = true,
		.remove = remove_passkey
	};

	/* A second click, or an old page, is about a passkey that is gone. */
	if (passkey == NULL)
	{
		http_settings_leave(settings, response);
		return;
	}
	removal.path = path_of_passkey(passkey);
	if (settings_removal_page(settings, &removal, response))
		http_settings_done(settings, "/passkeys", REMOVED, response);
}

/* ---- adding ---- */

bool
settings_passkeys_have(const HttpSettings *settings, const char *id)
{
	return find_passkey(settings, id) != NULL;
}
