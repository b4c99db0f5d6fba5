/*-------------------------------------------------------------------------
 *
 * device_key_functions.c
 *	  The SQL functions about the device keys of accounts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "domain/account_device_key.h"

PG_FUNCTION_INFO_V1(anon_auth_authenticate_with_device_key);
Datum
anon_auth_authenticate_with_device_key(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_with_device_key()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 2);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (account_device_key_authenticate(&client, api_required_text(fcinfo, 1, "jwt"), &device,
										now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_add_device_key);
Datum
anon_auth_add_device_key(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;
	char	   *jwt;

	api_begin_write("add_device_key()");
	jwt = api_required_text(fcinfo, 0, "jwt");
	api_lock_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_TEXT_P(cstring_to_text(account_device_key_add(&user, &session, jwt,
															api_text(fcinfo, 1), now)));
}

static void
add_key(ResultRow *row, const DeviceKey *key, const Session *current)
{
	result_row_set(row, "kid", CStringGetTextDatum(key->kid));
	result_row_set(row, "is_current",
				   BoolGetDatum(current->device_kid != NULL &&
								strcmp(current->device_kid, key->kid) == 0));
	if (key->name != NULL)
		result_row_set(row, "name", CStringGetTextDatum(key->name));
	if (key->device_info != NULL)
		result_row_set(row, "device_info", JsonbPGetDatum(key->device_info));
	result_row_set(row, "created_at", TimestampTzGetDatum(key->created_at));
	result_row_set(row, "last_used_at", TimestampTzGetDatum(key->last_used_at));
	result_row_add(row);
}

PG_FUNCTION_INFO_V1(anon_auth_list_device_keys);
Datum
anon_auth_list_device_keys(PG_FUNCTION_ARGS)
{
	ResultRow  *row = result_row_begin_set(fcinfo);
	DeviceKey  *keys;
	Session		current;
	User		user;
	int			count;
	int			i;

	api_caller(fcinfo, 0, GetCurrentTimestamp(), &user, &current);
	keys = account_device_key_list(&user, &count);
	for (i = 0; i < count; i++)
		add_key(row, &keys[i], &current);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_remove_device_key);
Datum
anon_auth_remove_device_key(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;
	char	   *kid;

	api_begin_write("remove_device_key()");
	kid = api_required_text(fcinfo, 0, "kid");
	api_lock_caller(fcinfo, 1, now, &user, &session);
	PG_RETURN_BOOL(account_device_key_remove(&user, &session, kid, now));
}
