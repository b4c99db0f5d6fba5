/*-------------------------------------------------------------------------
 *
 * passkey_functions.c
 *	  The SQL functions about passkeys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "domain/identity.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "json/json_write.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(anon_auth_passkey_creation_options);
Datum
anon_auth_passkey_creation_options(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;
	char	   *options;

	if (PG_ARGISNULL(0) && identity_current() == NULL)
		options = passkey_options_for_sign_up(now);
	else
	{
		api_caller(fcinfo, 0, now, &user, &session);
		options = passkey_options_for_user(&user, &session, now);
	}
	PG_RETURN_JSONB_P(json_to_jsonb(options));
}

/* The argument response.  Raises 22023 for NULL. */
static Jsonb *
get_response(FunctionCallInfo fcinfo, int argument)
{
	Jsonb	   *response = api_jsonb(fcinfo, argument);

	if (response == NULL)
		raise_required("response");
	return response;
}

PG_FUNCTION_INFO_V1(anon_auth_add_passkey);
Datum
anon_auth_add_passkey(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	Jsonb	   *response;
	User		user;

	api_begin_write("add_passkey()");
	response = get_response(fcinfo, 0);
	api_lock_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_TEXT_P(cstring_to_text(passkey_add(&user, &session, response, api_text(fcinfo, 1),
												 now)));
}

PG_FUNCTION_INFO_V1(anon_auth_passkey_request_options);
Datum
anon_auth_passkey_request_options(PG_FUNCTION_ARGS)
{
	Client		client;

	api_client(fcinfo, 0, &client);
	PG_RETURN_JSONB_P(json_to_jsonb(passkey_options_for_login(&client, GetCurrentTimestamp())));
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate_with_passkey);
Datum
anon_auth_authenticate_with_passkey(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_with_passkey()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 2);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (passkey_authenticate(&client, get_response(fcinfo, 1), &device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

static void
add_passkey(ResultRow *row, const Passkey *passkey)
{
	Datum		transports[PASSKEY_TRANSPORTS_MAX];
	int			i;

	result_row_set(row, "credential_id", CStringGetTextDatum(passkey_id_text(passkey)));
	if (passkey->name != NULL)
		result_row_set(row, "name", CStringGetTextDatum(passkey->name));
	result_row_set(row, "alg", CStringGetTextDatum(passkey->alg));
	result_row_set(row, "is_backup_eligible", BoolGetDatum(passkey->is_backup_eligible));
	result_row_set(row, "is_backed_up", BoolGetDatum(passkey->is_backed_up));
	for (i = 0; i < passkey->transports.count && i < PASSKEY_TRANSPORTS_MAX; i++)
		transports[i] = CStringGetTextDatum(passkey->transports.items[i]);
	if (i > 0)
		result_row_set(row, "transports",
					   PointerGetDatum(construct_array(transports, i, TEXTOID, -1, false,
													   TYPALIGN_INT)));
	result_row_set(row, "created_at", TimestampTzGetDatum(passkey->created_at));
	result_row_set(row, "last_used_at", TimestampTzGetDatum(passkey->last_used_at));
	result_row_add(row);
}

PG_FUNCTION_INFO_V1(anon_auth_list_passkeys);
Datum
anon_auth_list_passkeys(PG_FUNCTION_ARGS)
{
	ResultRow  *row = result_row_begin_set(fcinfo);
	Passkey    *passkeys;
	User		user;
	int			count;
	int			i;

	api_caller(fcinfo, 0, GetCurrentTimestamp(), &user, NULL);
	passkeys = passkey_list(&user, &count);
	for (i = 0; i < count; i++)
		add_passkey(row, &passkeys[i]);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_remove_passkey);
Datum
anon_auth_remove_passkey(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	char	   *credential_id;
	User		user;

	api_begin_write("remove_passkey()");
	credential_id = api_required_text(fcinfo, 0, "credential_id");
	api_lock_caller(fcinfo, 1, now, &user, &session);
	PG_RETURN_BOOL(passkey_remove(&user, &session, credential_id, now));
}
