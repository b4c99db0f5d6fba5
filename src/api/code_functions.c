/*-------------------------------------------------------------------------
 *
 * code_functions.c
 *	  The SQL functions about one-time codes: verification of addresses,
 *	  password reset, and the outbox from which a worker sends the messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/uuid.h"
#include "domain/code_login.h"
#include "domain/guest_proof.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/one_time_code.h"
#include "domain/password_reset.h"
#include "domain/verification.h"
#include "login_id/login_id.h"
#include "store/outbox.h"
#include "store/users.h"

/* The type of a login ID that messages can be sent to; raises 22023. */
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

PG_FUNCTION_INFO_V1(anon_auth_request_login_code);
Datum
anon_auth_request_login_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	GuestProof	proof = {0};
	Client		client;
	const char *language;
	char	   *login_id;
	bool		has_proof;

	api_begin_write("request_login_code()");
	login_id = api_required_text(fcinfo, 1, "login_id");
	proof.jwt = api_text(fcinfo, 2);
	proof.promotion_code = api_text(fcinfo, 3);
	proof.refresh_token = api_text(fcinfo, 4);
	has_proof = proof.jwt != NULL || proof.promotion_code != NULL || proof.refresh_token != NULL;
	language = message_language_of_request(api_text(fcinfo, 5));
	api_client(fcinfo, 0, &client);
	proof.dpop = api_dpop(fcinfo, &client, proof.refresh_token != NULL, now);
	PG_RETURN_TIMESTAMPTZ(code_login_request(&client, login_id, has_proof ? &proof : NULL,
											 language, now));
}

PG_FUNCTION_INFO_V1(anon_auth_request_verification);
Datum
anon_auth_request_verification(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires_at;
	CodeDelivery delivery = {0};
	LoginIdType type;
	Session		session;
	User		user;

	api_begin_write("request_verification()");
	type = get_address_type(fcinfo, 0);
	delivery.language = message_language_of_request(api_text(fcinfo, 2));
	api_lock_caller(fcinfo, 1, now, &user, &session);
	delivery.client_id = session.client_id;
	if (!verification_request(&user, type, &delivery, now, &expires_at))
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
	api_lock_caller(fcinfo, 2, now, &user, NULL);
	PG_RETURN_BOOL(verification_complete(&user, type, code, now));
}

PG_FUNCTION_INFO_V1(anon_auth_request_password_reset);
Datum
anon_auth_request_password_reset(PG_FUNCTION_ARGS)
{
	CodeDelivery delivery = {0};
	Client		client;
	char	   *login_id;

	api_begin_write("request_password_reset()");
	login_id = api_required_text(fcinfo, 0, "login_id");
	delivery.language = message_language_of_request(api_text(fcinfo, 1));
	if (!PG_ARGISNULL(2))
	{
		api_client(fcinfo, 2, &client);
		delivery.client_id = client.client_id;
	}
	password_reset_request(login_id, &delivery, GetCurrentTimestamp());
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

static void
set_optional_text(ResultRow *row, const char *column, const char *value)
{
	if (value != NULL)
		result_row_set(row, column, CStringGetTextDatum(value));
}

PG_FUNCTION_INFO_V1(anon_auth_unrestricted_sms);
Datum
anon_auth_unrestricted_sms(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(message_unrestricted_sms());
}

PG_FUNCTION_INFO_V1(anon_auth_take_outbox_messages);
Datum
anon_auth_take_outbox_messages(PG_FUNCTION_ARGS)
{
	ResultRow  *result;
	Message    *messages;
	int			batch_size;
	int			count;
	int			i;

	api_begin_write("take_outbox_messages()");
	batch_size = api_required_integer(fcinfo, 0, "batch_size");
	if (batch_size < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be positive")));
	result = result_row_begin_set(fcinfo);
	messages = message_take(batch_size, GetCurrentTimestamp(), &count);
	for (i = 0; i < count; i++)
	{
		const OutboxMessage *message = &messages[i].row;

		if (!uuid_is_nil(&message->user_id))
			result_row_set(result, "user_id", UUIDPGetDatum(&message->user_id));
		result_row_set(result, "id", UUIDPGetDatum(&message->id));
		result_row_set(result, "type",
					   CStringGetTextDatum(enum_name(&message_type_names, message->type)));
		result_row_set(result, "login_id_type",
					   CStringGetTextDatum(login_id_type_name(message->login_id_type)));
		result_row_set(result, "recipient", CStringGetTextDatum(message->recipient));
		set_optional_text(result, "code", messages[i].code);
		set_optional_text(result, "client_id", message->client_id);
		set_optional_text(result, "language", message->language);
		set_optional_text(result, "link", messages[i].link);
		result_row_set(result, "created_at", TimestampTzGetDatum(message->created_at));
		result_row_set(result, "expires_at", TimestampTzGetDatum(message->expires_at));
		result_row_add(result);
	}
	return (Datum) 0;
}
