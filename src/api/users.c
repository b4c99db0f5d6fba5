/*-------------------------------------------------------------------------
 *
 * users.c
 *	  disable_user(), enable_user(), delete_user(), revoke_sessions()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "base/raise.h"

static pg_uuid_t *
get_user_id(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		raise_required("user_id");
	return PG_GETARG_UUID_P(0);
}

PG_FUNCTION_INFO_V1(anon_auth_disable_user);
Datum
anon_auth_disable_user(PG_FUNCTION_ARGS)
{
	api_begin_write("disable_user()");
	user_admin_disable(get_user_id(fcinfo), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_enable_user);
Datum
anon_auth_enable_user(PG_FUNCTION_ARGS)
{
	api_begin_write("enable_user()");
	user_admin_enable(get_user_id(fcinfo), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_delete_user);
Datum
anon_auth_delete_user(PG_FUNCTION_ARGS)
{
	api_begin_write("delete_user()");
	user_admin_delete(get_user_id(fcinfo), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_revoke_sessions);
Datum
anon_auth_revoke_sessions(PG_FUNCTION_ARGS)
{
	api_begin_write("revoke_sessions()");
	PG_RETURN_INT64((int64) user_admin_revoke_sessions(get_user_id(fcinfo),
													   GetCurrentTimestamp()));
}
