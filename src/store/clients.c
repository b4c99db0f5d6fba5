/*-------------------------------------------------------------------------
 *
 * clients.c
 *	  Statements on anon_auth.clients.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/builtins.h"

static StoreStatement find_client = {
	.sql = "SELECT client_id, application_type, redirect_uris,"
	" access_token_lifetime_seconds, refresh_token_lifetime_seconds,"
	" refresh_token_idle_timeout_enabled, refresh_token_idle_timeout_seconds,"
	" refresh_token_rotation_enabled, refresh_token_rotation_grace_seconds,"
	" max_concurrent_sessions, name"
	" FROM anon_auth.clients WHERE client_id = $1",
	.read_only = true,
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement find_post_logout_redirect_uri = {
	.sql = "SELECT 1 FROM anon_auth.clients"
	" WHERE $1 = ANY (post_logout_redirect_uris) LIMIT 1",
	.read_only = true,
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement longest_access_token = {
	.sql = "SELECT COALESCE(pg_catalog.max(access_token_lifetime_seconds), 0)"
	" FROM anon_auth.clients",
	.read_only = true
};

static StoreStatement find_origin = {
	.sql = "SELECT 1 FROM anon_auth.clients c, pg_catalog.unnest(c.redirect_uris) u(uri)"
	" WHERE pg_catalog.starts_with(u.uri || '/', $1 || '/') LIMIT 1",
	.read_only = true,
	.nparams = 1,
	.types = {TEXTOID}
};

static const char *const application_types[] = {
	[APPLICATION_SPA] = "spa",
	[APPLICATION_TRADITIONAL_WEBAPP] = "traditional_webapp",
	[APPLICATION_NATIVE] = "native",
	[APPLICATION_CONFIDENTIAL] = "confidential",
	[APPLICATION_THIRD_PARTY_APP] = "third_party_app",
	[APPLICATION_M2M] = "m2m"
};

static ApplicationType
application_type_by_name(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(application_types); i++)
		if (strcmp(application_types[i], name) == 0)
			return (ApplicationType) i;
	elog(ERROR, "unknown application type in anon_auth.clients");
	pg_unreachable();
}

bool
client_find(const char *client_id, Client *client)
{
	StoreRow	row;
	Datum	   *uris;
	int			i;
	Datum		params[1];

	params[0] = text_param(client_id);
	if (store_run(&find_client, params, NULL, &row) == 0)
		return false;

	client->client_id = store_text(&row, 0);
	client->type = application_type_by_name(store_text(&row, 1));
	deconstruct_array(DatumGetArrayTypeP(row.values[2]), TEXTOID, -1, false,
					  TYPALIGN_INT, &uris, NULL, &client->redirect_uris.count);
	client->redirect_uris.items = palloc(sizeof(char *) * Max(client->redirect_uris.count, 1));
	for (i = 0; i < client->redirect_uris.count; i++)
		client->redirect_uris.items[i] = TextDatumGetCString(uris[i]);
	client->access_token_lifetime = DatumGetInt32(row.values[3]);
	client->refresh_token_lifetime = DatumGetInt32(row.values[4]);
	client->refresh_token_idle_timeout =
		DatumGetBool(row.values[5]) ? DatumGetInt32(row.values[6]) : 0;
	client->rotation = DatumGetBool(row.values[7]);
	client->rotation_grace = DatumGetInt32(row.values[8]);
	client->max_concurrent_sessions = DatumGetInt32(row.values[9]);
	client->name = store_text(&row, 10);
	return true;
}

bool
clients_have_post_logout_redirect_uri(const char *uri)
{
	Datum		params[1];

	params[0] = text_param(uri);
	return store_run(&find_post_logout_redirect_uri, params, NULL, NULL) > 0;
}

bool
clients_have_origin(const char *origin)
{
	Datum		params[1];

	params[0] = text_param(origin);
	return store_run(&find_origin, params, NULL, NULL) > 0;
}

int
clients_longest_access_token(void)
{
	StoreRow	row;

	return store_run(&longest_access_token, NULL, NULL, &row) > 0 ?
		DatumGetInt32(row.values[0]) : 0;
}
