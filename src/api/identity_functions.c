/*-------------------------------------------------------------------------
 *
 * identity_functions.c
 *	  The SQL functions about identities at other providers, and about the
 *	  providers themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/raise.h"
#include "domain/federated_identity.h"
#include "domain/identity_provider.h"

PG_FUNCTION_INFO_V1(anon_auth_authenticate_with_id_token);
Datum
anon_auth_authenticate_with_id_token(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_with_id_token()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 3);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (federated_identity_authenticate(&client, api_required_text(fcinfo, 1, "id_token"),
										api_text(fcinfo, 2), &device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_add_identity);
Datum
anon_auth_add_identity(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	char	   *id_token;
	User		user;

	api_begin_write("add_identity()");
	id_token = api_required_text(fcinfo, 0, "id_token");
	api_lock_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_BOOL(federated_identity_add(&user, &session, id_token, api_text(fcinfo, 1), now));
}

PG_FUNCTION_INFO_V1(anon_auth_remove_identity);
Datum
anon_auth_remove_identity(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	char	   *issuer;
	User		user;

	api_begin_write("remove_identity()");
	issuer = api_required_text(fcinfo, 0, "issuer");
	api_lock_caller(fcinfo, 1, now, &user, &session);
	PG_RETURN_BOOL(federated_identity_remove(&user, &session, issuer, now));
}

PG_FUNCTION_INFO_V1(anon_auth_set_identity_provider_keys);
Datum
anon_auth_set_identity_provider_keys(PG_FUNCTION_ARGS)
{
	char	   *issuer;
	Jsonb	   *jwks;

	api_begin_write("set_identity_provider_keys()");
	issuer = api_required_text(fcinfo, 0, "issuer");
	jwks = api_jsonb(fcinfo, 1);
	if (jwks == NULL)
		raise_required("jwks");
	identity_provider_set_keys(issuer, jwks, GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_due_identity_providers);
Datum
anon_auth_due_identity_providers(PG_FUNCTION_ARGS)
{
	ResultRow  *result = result_row_begin_set(fcinfo);
	int			count;
	DueProvider *due = identity_provider_due(GetCurrentTimestamp(), &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		result_row_set(result, "issuer", CStringGetTextDatum(due[i].issuer));
		if (due[i].keys_set_at != 0)
			result_row_set(result, "keys_set_at", TimestampTzGetDatum(due[i].keys_set_at));
		result_row_set(result, "reason", CStringGetTextDatum(due[i].reason));
		result_row_add(result);
	}
	return (Datum) 0;
}
