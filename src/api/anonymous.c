/*-------------------------------------------------------------------------
 *
 * anonymous.c
 *	  create_challenge(), authenticate_anonymously()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(anon_auth_create_challenge);
Datum
anon_auth_create_challenge(PG_FUNCTION_ARGS)
{
	TimestampTz expires_at;
	char	   *token = challenge_create(api_required_text(fcinfo, 0, "purpose"), &expires_at);

	return api_secret_with_expiry(fcinfo, token, expires_at);
}

/* What a client says of its device is a few names and versions. */
#define MAX_DEVICE_INFO		8192

static void
check_device_info(Jsonb *device_info)
{
	if (device_info != NULL && VARSIZE(device_info) > MAX_DEVICE_INFO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("device_info is larger than %d bytes", MAX_DEVICE_INFO)));
	if (device_info != NULL && !JB_ROOT_IS_OBJECT(device_info))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("device_info must be a JSON object")));
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate_anonymously);
Datum
anon_auth_authenticate_anonymously(PG_FUNCTION_ARGS)
{
	bool		with_jwt = !PG_ARGISNULL(1);
	bool		with_refresh_token = !PG_ARGISNULL(2);
	Jsonb	   *device_info = api_jsonb(fcinfo, 3);
	TimestampTz now = GetCurrentTimestamp();
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_anonymously()");
	if (with_jwt && with_refresh_token)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jwt and refresh_token cannot both be given")));
	check_device_info(device_info);
	api_client(fcinfo, 0, &client);
	if (with_jwt)
	{
		Span	jwt = api_token(fcinfo, 1, "jwt");

		guest_authenticate_with_key(&client, jwt.data, jwt.length, device_info, now, &response);
	}
	else if (with_refresh_token)
		guest_resume(&client, api_text(fcinfo, 2), now, &response);
	else
		guest_sign_up_without_key(&client, device_info, now, &response);
	return api_token_response(fcinfo, &response);
}
