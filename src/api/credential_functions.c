/*-------------------------------------------------------------------------
 *
 * credential_functions.c
 *	  The SQL functions with which users change the password and the login IDs of
 *	  their accounts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "domain/message_language.h"
#include "domain/own_login_ids.h"
#include "domain/password_change.h"
#include "login_id/login_id.h"

PG_FUNCTION_INFO_V1(anon_auth_change_password);
Datum
anon_auth_change_password(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;
	char	   *new_password;

	api_begin_write("change_password()");
	new_password = api_required_text(fcinfo, 0, "new_password");
	api_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_BOOL(password_change_by_user(&user, &session, new_password, api_text(fcinfo, 1),
										   now));
}

/* The type in the first argument; raises 22023. */
static LoginIdType
get_type(FunctionCallInfo fcinfo)
{
	char	   *name = api_required_text(fcinfo, 0, "type");
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (strcmp(name, login_id_type_name(type)) == 0)
			return type;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no such type of login ID"),
			 errhint("Types are email, phone_number and username.")));
}

static void
require_address(LoginIdType type, const char *what)
{
	if (type == LOGIN_ID_USERNAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is only for types email and phone_number", what)));
}

PG_FUNCTION_INFO_V1(anon_auth_request_login_id_code);
Datum
anon_auth_request_login_id_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	LoginIdType type;
	Session		session;
	User		user;
	char	   *language;
	char	   *value;

	api_begin_write("request_login_id_code()");
	type = get_type(fcinfo);
	require_address(type, "a code");
	value = api_required_text(fcinfo, 1, "value");
	language = message_language_of_request(api_text(fcinfo, 3));
	api_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_TIMESTAMPTZ(own_login_ids_request_code(&user, &session, type, value, language, now));
}

PG_FUNCTION_INFO_V1(anon_auth_add_login_id);
Datum
anon_auth_add_login_id(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	LoginIdType type;
	Session		session;
	User		user;
	char	   *value;

	api_begin_write("add_login_id()");
	type = get_type(fcinfo);
	value = api_required_text(fcinfo, 1, "value");
	if (!PG_ARGISNULL(2))
		require_address(type, "code");
	api_caller(fcinfo, 3, now, &user, &session);
	PG_RETURN_BOOL(own_login_ids_add(&user, &session, type, value, api_text(fcinfo, 2), now));
}

PG_FUNCTION_INFO_V1(anon_auth_remove_login_id);
Datum
anon_auth_remove_login_id(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	LoginIdType type;
	Session		session;
	User		user;
	char	   *value;

	api_begin_write("remove_login_id()");
	type = get_type(fcinfo);
	value = api_required_text(fcinfo, 1, "value");
	api_lock_caller(fcinfo, 2, now, &user, &session);
	PG_RETURN_BOOL(own_login_ids_remove(&user, &session, type, value, now));
}
