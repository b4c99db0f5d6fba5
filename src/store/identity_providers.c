/*-------------------------------------------------------------------------
 *
 * identity_providers.c
 *	  Statements on anon_auth.identity_providers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/identity_providers.h"
#include "store/statement.h"

RECORD_TYPE(provider, IdentityProvider, IDENTITY_PROVIDER_COLUMNS);
RECORD_TYPE(provider_state, IdentityProvider, IDENTITY_PROVIDER_STATE_COLUMNS);

static Statement find_provider = {
	.sql = "SELECT {provider} FROM anon_auth.identity_providers WHERE issuer = :issuer",
	.row = &provider_record
};

static Statement find_all = {
	.sql = "SELECT {provider_state} FROM anon_auth.identity_providers ORDER BY issuer",
	.row = &provider_state_record
};

static Statement set_keys = {
	.sql = "UPDATE anon_auth.identity_providers SET jwks = :jwks, keys_set_at = :now"
	" WHERE issuer = :issuer"
};

bool
identity_providers_find(const char *issuer, IdentityProvider *provider)
{
	return statement_fetch(&find_provider, PARAMS(param_text("issuer", issuer)), provider);
}

IdentityProvider *
identity_providers_all(int *count)
{
	return statement_fetch_all(&find_all, NO_PARAMS, count);
}

bool
identity_providers_set_keys(const char *issuer, Jsonb *jwks, TimestampTz now)
{
	return statement_run(&set_keys, PARAMS(param_text("issuer", issuer),
										   param_jsonb("jwks", jwks),
										   param_timestamp("now", now))) > 0;
}
