/*-------------------------------------------------------------------------
 *
 * settings_identity_page.c
 *	  /settings/identity/remove_identity: remove an identity at a provider.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/federated_identity.h"
#include "http/settings_pages.h"
#include "http/settings_removal.h"

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
has_identity(const HttpSettings *settings, const char *issuer)
{
	int			count;
	UserIdentity *identities = federated_identity_list(&settings->user, &count);
	int			i;

	for (i = 0; i < count && issuer != NULL; i++)
		if (strcmp(identities[i].issuer, issuer) == 0)
			return true;
	return false;
}

static bool
remove_identity(HttpSettings *settings, const char *issuer)
{
	return federated_identity_remove(&settings->user, &settings->session, issuer,
									 settings->request->now);
}

void
settings_identity_page(HttpSettings *settings, HttpResponse *response)
{
	char	   *issuer = http_param(&settings->query, "q_issuer");
	SettingsRemoval removal = {
		.subject = "remove_identity",
		.id = issuer,
		.name = issuer,
		.ends_other_sessions = true,
		.remove = remove_identity
	};

	/* A second click, or an old page, is about an identity that is gone. */
	if (!has_identity(settings, issuer))
	{
		http_settings_leave(settings, response);
		return;
	}
	removal.path = settings_identity_path(issuer);
	if (settings_removal_page(settings, &removal, response))
		http_settings_done(settings, "", "identity_removed", response);
}
