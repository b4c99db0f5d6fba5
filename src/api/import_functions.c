/*-------------------------------------------------------------------------
 *
 * import_functions.c
 *	  The SQL functions that make users, bring them in from another system, and find them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "domain/login.h"
#include "domain/user_creation.h"
#include "domain/user_import.h"

/* A jsonb argument, or an empty object for NULL. */
static Jsonb *
object_argument(FunctionCallInfo fcinfo, int argument)
{
	Jsonb	   *object = api_jsonb(fcinfo, argument);

	return object != NULL ? object :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

PG_FUNCTION_INFO_V1(anon_auth_create_user);
Datum
anon_auth_create_user(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	UserCreation creation = {0};

	api_begin_write("create_user()");
	creation.login_ids[LOGIN_ID_EMAIL] = api_text(fcinfo, 0);
	creation.login_ids[LOGIN_ID_PHONE_NUMBER] = api_text(fcinfo, 1);
	creation.login_ids[LOGIN_ID_USERNAME] = api_text(fcinfo, 2);
	creation.password = api_text(fcinfo, 3);
	creation.verified = api_required_bool(fcinfo, 4, "verified");
	creation.state.roles = api_text_list(fcinfo, 5, "roles");
	creation.state.standard_attributes = object_argument(fcinfo, 6);
	creation.state.custom_attributes = object_argument(fcinfo, 7);
	*id = user_creation_run(&creation, now);
	PG_RETURN_UUID_P(id);
}

PG_FUNCTION_INFO_V1(anon_auth_find_user);
Datum
anon_auth_find_user(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	if (!login_find_user(api_required_text(fcinfo, 0, "login_id"), id))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(id);
}

PG_FUNCTION_INFO_V1(anon_auth_import_user);
Datum
anon_auth_import_user(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	UserImport	import = {0};

	api_begin_write("import_user()");
	import.id = *api_required_uuid(fcinfo, 0, "user_id");
	import.login_ids[LOGIN_ID_EMAIL] = api_text(fcinfo, 1);
	import.login_ids[LOGIN_ID_PHONE_NUMBER] = api_text(fcinfo, 2);
	import.login_ids[LOGIN_ID_USERNAME] = api_text(fcinfo, 3);
	import.password_hash = api_text(fcinfo, 4);
	import.verified = api_required_bool(fcinfo, 5, "verified");
	import.state.standard_attributes = object_argument(fcinfo, 6);
	import.state.custom_attributes = object_argument(fcinfo, 7);
	import.state.is_disabled = api_required_bool(fcinfo, 8, "is_disabled");
	import.state.created_at = PG_ARGISNULL(9) ? now : PG_GETARG_TIMESTAMPTZ(9);
	import.state.roles = api_text_list(fcinfo, 10, "roles");
	user_import(&import, now);
	PG_RETURN_VOID();
}
