/*-------------------------------------------------------------------------
 *
 * clients.c
 *	  Statements on anon_auth.clients.
 *
 * Nothing that the extension does within a statement changes clients, so the
 * caller's snapshot is good enough for them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/clients.h"
#include "store/statement.h"

RECORD_TYPE(client, Client, CLIENT_COLUMNS);

static Statement find_client = {
	.sql = "SELECT {client} FROM anon_auth.clients WHERE client_id = :client_id",
	.row = &client_record,
	.read_only = true
};

static Statement find_post_logout_redirect_uri = {
	.sql = "SELECT 1 FROM anon_auth.clients"
	" WHERE :uri = ANY (post_logout_redirect_uris) LIMIT 1",
	.read_only = true
};

/* The origin of an http or https URI is all of it before the first /, ? or # after the //. */
static Statement find_origin = {
	.sql = "SELECT 1 FROM anon_auth.clients c, pg_catalog.unnest(c.redirect_uris) u(uri)"
	" WHERE c.application_type OPERATOR(pg_catalog.=) ANY (ARRAY['spa', 'traditional_webapp', 'native'])"
	" AND pg_catalog.\"substring\"(u.uri, '^https?://[^/?#]+') OPERATOR(pg_catalog.=) :origin LIMIT 1",
	.read_only = true
};

#define LIFETIME_COLUMNS(COLUMN) \
	COLUMN(INT4, seconds, "pg_catalog.max(access_token_lifetime_seconds)")

typedef struct Lifetime
{
	LIFETIME_COLUMNS(RECORD_FIELD)
} Lifetime;

RECORD_TYPE(lifetime, Lifetime, LIFETIME_COLUMNS);

static Statement find_longest_access_token = {
	.sql = "SELECT {lifetime} FROM anon_auth.clients",
	.row = &lifetime_record,
	.read_only = true
};

static const char *const application_types[] = {
	[APPLICATION_SPA] = "spa",
	[APPLICATION_TRADITIONAL_WEBAPP] = "traditional_webapp",
	[APPLICATION_NATIVE] = "native",
	[APPLICATION_CONFIDENTIAL] = "confidential",
	[APPLICATION_THIRD_PARTY_APP] = "third_party_app",
	[APPLICATION_M2M] = "m2m"
};

const EnumNames application_type_names = {lengthof(application_types), application_types};

bool
clients_find(const char *client_id, Client *client)
{
	return statement_fetch(&find_client, PARAMS(param_text("client_id", client_id)), client);
}

bool
clients_have_post_logout_redirect_uri(const char *uri)
{
	return statement_run(&find_post_logout_redirect_uri, PARAMS(param_text("uri", uri))) > 0;
}

bool
clients_have_origin(const char *origin)
{
	return statement_run(&find_origin, PARAMS(param_text("origin", origin))) > 0;
}

int
clients_longest_access_token(void)
{
	Lifetime	longest;

	return statement_fetch(&find_longest_access_token, NO_PARAMS, &longest) ? longest.seconds : 0;
}
