/*-------------------------------------------------------------------------
 *
 * clients.c
 *	  Statements on anon_auth.clients.
 *
 * Nothing that the extension does within a statement changes clients, so the
 * caller's snapshot is good enough for them.  The clients of the last calls are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/cached_row.h"
#include "store/clients.h"
#include "store/statement.h"
#include "utils/memutils.h"

static const char *const id_token_policies[] = {
	[ID_TOKEN_ALWAYS] = "always",
	[ID_TOKEN_OPENID] = "openid"
};

const EnumNames id_token_policy_names = {lengthof(id_token_policies), id_token_policies};

RECORD_TYPE(client, Client, CLIENT_COLUMNS);

static Statement select_client = {
	.sql = "SELECT * FROM anon_auth.clients WHERE client_id = :client_id",
	.read_only = true,
	.key_table = "clients"
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

static const char *const dpop_modes[] = {
	[DPOP_OFF] = "off",
	[DPOP_OPTIONAL] = "optional",
	[DPOP_REQUIRED] = "required"
};

const EnumNames dpop_mode_names = {lengthof(dpop_modes), dpop_modes};

#define MAX_KEPT_CLIENTS	8

/* Clients that this backend keeps.  The next new one replaces that of next_place. */
static struct
{
	char	   *client_id;
	CachedRow	row;
	RowView		view;
}			kept_clients[MAX_KEPT_CLIENTS];
static int	next_place = 0;

static void
empty_place(int place)
{
	if (kept_clients[place].client_id != NULL)
		pfree(kept_clients[place].client_id);
	kept_clients[place].client_id = NULL;
	memset(&kept_clients[place].row.stamp, 0, sizeof(CacheStamp));
}

static int
find_place(const char *client_id)
{
	int			i;

	for (i = 0; i < MAX_KEPT_CLIENTS; i++)
		if (kept_clients[i].client_id != NULL && strcmp(kept_clients[i].client_id, client_id) == 0)
			return i;
	empty_place(next_place);
	kept_clients[next_place].client_id = MemoryContextStrdup(TopMemoryContext, client_id);
	return next_place;
}

/*
 * Strangers can send any number of ids that no client has.  None of these is kept, so they
 * replace one client at most.
 */
bool
clients_find(const char *client_id, Client *client)
{
	int			place = find_place(client_id);

	kept_clients[place].view.type = &client_record;
	if (!cached_row_fetch(&kept_clients[place].row, CACHED_CLIENTS, &select_client,
						  PARAMS(param_text("client_id", client_id)), &kept_clients[place].view,
						  client))
	{
		empty_place(place);
		return false;
	}
	if (place == next_place)
		next_place = (place + 1) % MAX_KEPT_CLIENTS;
	return true;
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
