/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The rights of a client, and the URIs to which it may have its users sent
 *	  (docs/authgear.md, section 4).
 *
 * First-party public clients (spa, traditional_webapp, native) may have guests
 * and log users in.  The other types may do neither.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "domain/client.h"
#include "store/clients.h"
#include "uri/uri.h"

void
client_get(const char *client_id, Client *client)
{
	if (!clients_find(client_id, client))
		raise_invalid_client();
}

bool
client_find(const char *client_id, Client *client)
{
	return clients_find(client_id, client);
}

bool
client_is_first_party(const Client *client)
{
	return client->application_type == APPLICATION_SPA ||
		client->application_type == APPLICATION_TRADITIONAL_WEBAPP ||
		client->application_type == APPLICATION_NATIVE;
}

void
client_require_guests(const Client *client, bool with_key)
{
	if (with_key && client->application_type == APPLICATION_M2M)
		raise_grant_not_allowed();
	if (!client_is_first_party(client))
		raise_guests_not_allowed();
}

void
client_require_first_party(const Client *client)
{
	if (!client_is_first_party(client))
		raise_grant_not_allowed();
}

bool
client_has_redirect_uri(const Client *client, const char *redirect_uri)
{
	int			i;

	if (string_list_contains(&client->redirect_uris, redirect_uri))
		return true;
	if (client->application_type != APPLICATION_NATIVE)
		return false;
	for (i = 0; i < client->redirect_uris.count; i++)
		if (uri_loopback_matches(client->redirect_uris.items[i], redirect_uri))
			return true;
	return false;
}

void
client_require_redirect_uri(const Client *client, const char *redirect_uri)
{
	if (!client_has_redirect_uri(client, redirect_uri))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("redirect URI is not allowed"),
				 errdetail("It is not one of the client's redirect_uris.")));
}

bool
client_has_post_logout_redirect_uri(const Client *client, const char *uri)
{
	return string_list_contains(&client->post_logout_redirect_uris, uri);
}

bool
client_any_has_post_logout_redirect_uri(const char *uri)
{
	return clients_have_post_logout_redirect_uri(uri);
}

bool
client_any_has_origin(const char *origin)
{
	return clients_have_origin(origin);
}
