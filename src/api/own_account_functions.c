/*-------------------------------------------------------------------------
 *
 * own_account_functions.c
 *	  The SQL functions by which users look after their own account: sessions,
 *	  profile, export, and deletion.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "domain/account_deletion.h"
#include "domain/account_export.h"
#include "domain/own_profile.h"
#include "domain/own_sessions.h"
#include "utils/array.h"
#include "utils/inet.h"

static void
set_text(ResultRow *row, const char *column, const char *value)
{
	if (value != NULL)
		result_row_set(row, column, CStringGetTextDatum(value));
}

static void
set_texts(ResultRow *row, const char *column, const StringList *values)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(values->count, 1));
	int			i;

	for (i = 0; i < values->count; i++)
		items[i] = CStringGetTextDatum(values->items[i]);
	result_row_set(row, column, PointerGetDatum(construct_array(items, values->count, TEXTOID, -1,
																false, TYPALIGN_INT)));
}

static void
add_session(ResultRow *row, const ListedSession *session, const Session *current)
{
	result_row_set(row, "session_id", UUIDPGetDatum(&session->id));
	result_row_set(row, "is_current",
				   BoolGetDatum(memcmp(&session->id, &current->id, UUID_LEN) == 0));
	set_text(row, "session_type", session->session_type);
	set_text(row, "client_id", session->client_id);
	set_text(row, "client_name", session->client_name);
	if (session->device_info != NULL)
		result_row_set(row, "device_info", JsonbPGetDatum(session->device_info));
	if (session->client_address != NULL)
		result_row_set(row, "client_address", InetPGetDatum(session->client_address));
	set_text(row, "user_agent", session->user_agent);
	result_row_set(row, "created_at", TimestampTzGetDatum(session->created_at));
	result_row_set(row, "last_used_at", TimestampTzGetDatum(session->last_used_at));
	result_row_set(row, "expires_at", TimestampTzGetDatum(session->expires_at));
	result_row_set(row, "auth_time", TimestampTzGetDatum(session->authenticated_at));
	if (session->amr.count > 0)
		set_texts(row, "amr", &session->amr);
	result_row_add(row);
}

PG_FUNCTION_INFO_V1(anon_auth_list_sessions);
Datum
anon_auth_list_sessions(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row = result_row_begin_set(fcinfo);
	ListedSession *sessions;
	Session		current;
	User		user;
	int			count;
	int			i;

	api_caller(fcinfo, 0, now, &user, &current);
	sessions = own_sessions_list(&user, now, &count);
	for (i = 0; i < count; i++)
		add_session(row, &sessions[i], &current);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_end_session);
Datum
anon_auth_end_session(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	pg_uuid_t  *session_id;
	Session		current;
	User		user;

	api_begin_write("end_session()");
	session_id = api_required_uuid(fcinfo, 0, "session_id");
	api_lock_caller(fcinfo, 1, now, &user, &current);
	PG_RETURN_BOOL(own_sessions_end(&user, &current, session_id, now));
}

PG_FUNCTION_INFO_V1(anon_auth_end_other_sessions);
Datum
anon_auth_end_other_sessions(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		current;
	User		user;

	api_begin_write("end_other_sessions()");
	api_lock_caller(fcinfo, 0, now, &user, &current);
	PG_RETURN_INT64((int64) own_sessions_end_others(&user, &current, now));
}

PG_FUNCTION_INFO_V1(anon_auth_update_profile);
Datum
anon_auth_update_profile(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Jsonb	   *attributes;
	Session		session;
	User		user;

	api_begin_write("update_profile()");
	attributes = api_jsonb(fcinfo, 0);
	if (attributes == NULL)
		raise_required("attributes");
	api_lock_caller(fcinfo, 1, now, &user, &session);
	own_profile_update(&user, &session, attributes, now);
	PG_RETURN_JSONB_P(claims_userinfo(&user));
}

PG_FUNCTION_INFO_V1(anon_auth_export_account);
Datum
anon_auth_export_account(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;

	api_begin_write("export_account()");
	api_lock_caller(fcinfo, 0, now, &user, &session);
	PG_RETURN_JSONB_P(account_export_by_user(&user, &session, now));
}

PG_FUNCTION_INFO_V1(anon_auth_delete_account);
Datum
anon_auth_delete_account(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;

	api_begin_write("delete_account()");
	api_caller(fcinfo, 0, now, &user, &session);
	PG_RETURN_TIMESTAMPTZ(account_deletion_request(&user, &session, now));
}

PG_FUNCTION_INFO_V1(anon_auth_cancel_account_deletion);
Datum
anon_auth_cancel_account_deletion(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Session		session;
	User		user;

	api_begin_write("cancel_account_deletion()");
	api_lock_caller(fcinfo, 0, now, &user, &session);
	PG_RETURN_BOOL(account_deletion_cancel(&user, &session, now));
}
