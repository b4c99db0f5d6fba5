/*-------------------------------------------------------------------------
 *
 * import_functions.c
 *	  The SQL functions that bring in users of another system.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "domain/user_import.h"

/* A jsonb argument, or an empty object for NULL. */
static Jsonb *
object_argument(FunctionCallInfo fcinfo, int argument)
{
	Jsonb	   *object = api_jsonb(fcinfo, argument);

	return object != NULL ? object :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
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
	user_import(&import, now);
	PG_RETURN_VOID();
}
