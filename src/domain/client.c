/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Which clients may do what (docs/authgear.md, section 4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/domain.h"
#include "errors.h"

void
client_get(const char *client_id, Client *client)
{
	if (!client_find(client_id, client))
		ereport(ERROR,
				(errcode(ERRCODE_AA_INVALID_CLIENT),
				 errmsg("invalid client ID"),
				 errhint("Register the application with anon_auth.create_client().")));
}

static bool
is_first_party_public(const Client *client)
{
	return client->type == APPLICATION_SPA ||
		client->type == APPLICATION_TRADITIONAL_WEBAPP ||
		client->type == APPLICATION_NATIVE;
}

pg_noreturn static void
raise_grant_not_allowed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_AA_UNAUTHORIZED_CLIENT),
			 errmsg("grant type is not allowed for this client")));
}

void
client_require_guests(const Client *client, bool with_key)
{
	if (with_key && client->type == APPLICATION_M2M)
		raise_grant_not_allowed();
	if (!is_first_party_public(client))
		ereport(ERROR,
				(errcode(ERRCODE_AA_UNAUTHORIZED_CLIENT),
				 errmsg("Anonymous user is not supported by the client application type. "
						"Try using SPA, Traditional Web App, or Native App client types if applicable.")));
}

void
client_require_first_party(const Client *client)
{
	if (!is_first_party_public(client))
		raise_grant_not_allowed();
}
