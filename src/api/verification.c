/*-------------------------------------------------------------------------
 *
 * verification.c
 *	  request_verification(), verify_login_id(), request_password_reset(),
 *	  reset_password(), take_outbox_messages()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "base/raise.h"
#include "domain/one_time_code.h"
#include "funcapi.h"

static LoginIdType
get_address_type(FunctionCallInfo fcinfo, int argument)
{
	char	   *name = api_required_text(fcinfo, argument, "login_id_type");

	if (strcmp(name, "email") == 0)
		return LOGIN_ID_EMAIL;
	if (strcmp(name, "phone_number") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("login IDs of this type cannot be verified"),
				 errhint("Types are email and phone_number.")));
	return LOGIN_ID_PHONE_NUMBER;
}

PG_FUNCTION_INFO_V1(anon_auth_request_verification);
Datum
anon_auth_request_verification(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires_at;
	LoginIdType type;
	User		user;

	api_begin_write("request_verification()");
	type = get_address_type(fcinfo, 0);
	api_caller(fcinfo, 1, now, &user);
	if (!verification_request(&user, type, now, &expires_at))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(expires_at);
}

PG_FUNCTION_INFO_V1(anon_auth_verify_login_id);
Datum
anon_auth_verify_login_id(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	char	   *code;
	LoginIdType type;
	User		user;

	api_begin_write("verify_login_id()");
	code = api_required_text(fcinfo, 0, "code");
	type = get_address_type(fcinfo, 1);
	api_caller(fcinfo, 2, now, &user);
	PG_RETURN_BOOL(verification_complete(&user, type, code, now));
}

PG_FUNCTION_INFO_V1(anon_auth_request_password_reset);
Datum
anon_auth_request_password_reset(PG_FUNCTION_ARGS)
{
	api_begin_write("request_password_reset()");
	password_reset_request(api_required_text(fcinfo, 0, "login_id"), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_reset_password);
Datum
anon_auth_reset_password(PG_FUNCTION_ARGS)
{
	api_begin_write("reset_password()");
	PG_RETURN_BOOL(password_reset_complete(api_required_text(fcinfo, 0, "login_id"),
										   api_required_text(fcinfo, 1, "code"),
										   api_required_text(fcinfo, 2, "new_password"),
										   GetCurrentTimestamp()));
}

PG_FUNCTION_INFO_V1(anon_auth_take_outbox_messages);
Datum
anon_auth_take_outbox_messages(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	CodeMessage *messages;
	int			count;
	int			i;

	api_begin_write("take_outbox_messages()");
	if (PG_ARGISNULL(0))
		raise_required("batch_size");
	if (PG_GETARG_INT32(0) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be positive")));
	InitMaterializedSRF(fcinfo, 0);
	messages = one_time_codes_to_send(PG_GETARG_INT32(0), GetCurrentTimestamp(), &count);
	for (i = 0; i < count; i++)
	{
		const OutboxMessage *row = &messages[i].row;
		Datum		values[8];
		bool		nulls[8] = {false};

		values[0] = UUIDPGetDatum(&row->user_id);
		values[1] = UUIDPGetDatum(&row->id);
		values[2] = CStringGetTextDatum(row->type);
		values[3] = CStringGetTextDatum(row->login_id_type);
		values[4] = CStringGetTextDatum(row->recipient);
		values[5] = CStringGetTextDatum(messages[i].code);
		values[6] = TimestampTzGetDatum(row->created_at);
		values[7] = TimestampTzGetDatum(row->expires_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
