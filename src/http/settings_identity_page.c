/*-------------------------------------------------------------------------
 *
 * settings_identity_page.c
 *	  /settings/identity/remove_identity: remove an identity at a provider.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/federated_identity.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_write.h"

typedef struct IdentityPage
{
	HttpSettings *settings;
	char	   *issuer;
	bool		is_removed;
} IdentityPage;

char *
settings_identity_path(const char *issuer)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, "/identity/remove_identity");
	http_append_param(&path, "q_issuer", issuer);
	return path.data;
}

static bool
has_identity(const IdentityPage *page)
{
	int			count;
	UserIdentity *identities = federated_identity_list(&page->settings->user, &count);
	int			i;

	for (i = 0; i < count && page->issuer != NULL; i++)
		if (strcmp(identities[i].issuer, page->issuer) == 0)
			return true;
	return false;
}

static void
show_form(const IdentityPage *page, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, page->settings, "remove_identity");
	json_add_string(&model, "login_id", page->issuer);
	settings_parts_begin(&model);
	settings_parts_add_note(&model, "ends_other_sessions", false);
	settings_parts_begin_form(&model,
							  http_settings_uri(page->settings, settings_identity_path(page->issuer)),
							  "remove", true);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, page->settings, response);
}

/* A SubtransactionAction. */
static void
remove_identity(void *arg)
{
	IdentityPage *page = arg;
	HttpSettings *settings = page->settings;

	http_settings_lock(settings);
	page->is_removed = federated_identity_remove(&settings->user, &settings->session,
												 page->issuer, settings->request->now);
}

static void
handle_form(IdentityPage *page, HttpResponse *response)
{
	HttpSettings *settings = page->settings;
	ErrorData  *error;

	switch (http_settings_try(settings, remove_identity, page, response, &error))
	{
		case SETTINGS_DONE:
			if (page->is_removed)
				http_settings_done(settings, "", "identity_removed", response);
			else
				http_settings_leave(settings, response);
			break;
		case SETTINGS_REFUSED:
			if (error->sqlerrcode == ERRCODE_AA_LAST_CREDENTIAL)
				http_settings_add_error(settings, "form", "last_credential");
			else
				http_settings_note_error(settings, error);
			show_form(page, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}

void
settings_identity_page(HttpSettings *settings, HttpResponse *response)
{
	IdentityPage page = {
		.settings = settings,
		.issuer = http_param(&settings->query, "q_issuer")
	};

	/* A second click, or an old page, is about an identity that is gone. */
	if (!has_identity(&page))
		http_settings_leave(settings, response);
	else if (settings->is_post)
		handle_form(&page, response);
	else if (!http_settings_needs_login(settings, response))
		show_form(&page, response);
}
