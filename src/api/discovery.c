/*-------------------------------------------------------------------------
 *
 * discovery.c
 *	  jwks(), openid_configuration()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "json/json.h"
#include "keyring/keyring.h"

PG_FUNCTION_INFO_V1(anon_auth_jwks);
Datum
anon_auth_jwks(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(json_to_jsonb(keyring_jwks()));
}

PG_FUNCTION_INFO_V1(anon_auth_openid_configuration);
Datum
anon_auth_openid_configuration(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(json_to_jsonb(openid_configuration_make()));
}
