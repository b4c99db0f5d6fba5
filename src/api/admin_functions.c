/*-------------------------------------------------------------------------
 *
 * admin_functions.c
 *	  The SQL functions that administer users, merge, purge and counters, and
 *	  tables_are_local().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/limits.h"
#include "base/raise.h"
#include "counters/counters.h"
#include "domain/account_export.h"
#include "domain/merge.h"
#include "domain/purge.h"
#include "domain/statistics.h"
#include "domain/user_admin.h"
#include "json/raise_json.h"
#include "store/app_tables.h"

PG_FUNCTION_INFO_V1(anon_auth_disable_user);
Datum
anon_auth_disable_user(PG_FUNCTION_ARGS)
{
	api_begin_write("disable_user()");
	user_admin_disable(api_required_user(fcinfo, 0, "user_id"), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_enable_user);
Datum
anon_auth_enable_user(PG_FUNCTION_ARGS)
{
	api_begin_write("enable_user()");
	user_admin_enable(api_required_user(fcinfo, 0, "user_id"), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_set_password);
Datum
anon_auth_set_password(PG_FUNCTION_ARGS)
{
	api_begin_write("set_password()");
	user_admin_set_password(api_required_user(fcinfo, 0, "user_id"),
							api_required_text(fcinfo, 1, "new_password"), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_set_roles);
Datum
anon_auth_set_roles(PG_FUNCTION_ARGS)
{
	StringList	roles;
	pg_uuid_t  *user_id;

	api_begin_write("set_roles()");
	user_id = api_required_user(fcinfo, 0, "user_id");
	if (PG_ARGISNULL(1))
		raise_required("roles");
	roles = api_text_list(fcinfo, 1, "roles");
	user_admin_set_roles(user_id, &roles, GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_export_user);
Datum
anon_auth_export_user(PG_FUNCTION_ARGS)
{
	api_begin_write("export_user()");
	PG_RETURN_JSONB_P(account_export_by_admin(api_required_user(fcinfo, 0, "user_id"),
											  GetCurrentTimestamp()));
}

PG_FUNCTION_INFO_V1(anon_auth_delete_user);
Datum
anon_auth_delete_user(PG_FUNCTION_ARGS)
{
	api_begin_write("delete_user()");
	user_admin_delete(api_required_user(fcinfo, 0, "user_id"), GetCurrentTimestamp());
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_revoke_sessions);
Datum
anon_auth_revoke_sessions(PG_FUNCTION_ARGS)
{
	api_begin_write("revoke_sessions()");
	PG_RETURN_INT64((int64) user_admin_revoke_sessions(api_required_user(fcinfo, 0, "user_id"),
													   GetCurrentTimestamp()));
}

PG_FUNCTION_INFO_V1(anon_auth_merge_anonymous_user);
Datum
anon_auth_merge_anonymous_user(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *guest_id;
	pg_uuid_t  *user_id;
	bool		dry_run;
	ResultRow  *row;
	AppTable   *tables;
	int			count;

	api_begin_write("merge_anonymous_user()");
	guest_id = api_required_uuid(fcinfo, 0, "guest_id");
	user_id = api_required_user(fcinfo, 1, "user_id");
	dry_run = api_required_bool(fcinfo, 2, "dry_run");
	row = result_row_begin_set(fcinfo);
	merge_by_admin(guest_id, user_id, dry_run, GetCurrentTimestamp(), &tables, &count);
	api_add_moved_rows(row, tables, count);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_purge);
Datum
anon_auth_purge(PG_FUNCTION_ARGS)
{
	int			batch_size;
	bool		dry_run;
	PurgeCounts counts;
	ResultRow  *row;

	api_begin_write("purge()");
	batch_size = api_required_integer(fcinfo, 0, "batch_size");
	dry_run = api_required_bool(fcinfo, 1, "dry_run");
	if (batch_size < 1 || batch_size > PURGE_MAX_BATCH_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d", PURGE_MAX_BATCH_SIZE)));
	row = result_row_begin(fcinfo);
	purge_run(batch_size, dry_run, GetCurrentTimestamp(), &counts);
	result_row_set(row, "guests", Int64GetDatum((int64) counts.guests));
	result_row_set(row, "skipped_guests", Int64GetDatum((int64) counts.skipped_guests));
	result_row_set(row, "accounts", Int64GetDatum((int64) counts.accounts));
	result_row_set(row, "skipped_accounts", Int64GetDatum((int64) counts.skipped_accounts));
	result_row_set(row, "sessions", Int64GetDatum((int64) counts.sessions));
	result_row_set(row, "authorization_codes", Int64GetDatum((int64) counts.authorization_codes));
	result_row_set(row, "one_time_codes", Int64GetDatum((int64) counts.one_time_codes));
	result_row_set(row, "address_codes", Int64GetDatum((int64) counts.address_codes));
	result_row_set(row, "outbox_messages", Int64GetDatum((int64) counts.outbox_messages));
	result_row_set(row, "removed_device_keys", Int64GetDatum((int64) counts.removed_device_keys));
	result_row_set(row, "removed_identities", Int64GetDatum((int64) counts.removed_identities));
	result_row_set(row, "merged_guests", Int64GetDatum((int64) counts.merged_guests));
	result_row_set(row, "events", Int64GetDatum((int64) counts.events));
	result_row_set(row, "has_more", BoolGetDatum(counts.has_more));
	return result_row_finish(row);
}

/* An argument of type interval in microseconds; raises 22023 out of range. */
static int64
get_period(FunctionCallInfo fcinfo, int argument)
{
	Interval   *period;
	int64		microseconds;

	if (PG_ARGISNULL(argument))
		raise_required("period");
	period = PG_GETARG_INTERVAL_P(argument);
	microseconds = period->day * USECS_PER_DAY + period->time;
	if (period->month != 0 || period->day < 0 || period->day > 1 ||
		microseconds < USECS_PER_SEC || microseconds > USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period must be between 1 second and 1 day")));
	return microseconds;
}

PG_FUNCTION_INFO_V1(anon_auth_take_rate_limit);
Datum
anon_auth_take_rate_limit(PG_FUNCTION_ARGS)
{
	char	   *name = api_required_text(fcinfo, 0, "name");
	int			max_count = api_required_integer(fcinfo, 1, "max_count");
	int64		wait;
	bool		taken;

	if (max_count < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_count must be at least 1")));

	/* The prefix keeps limits of applications apart from those of the extension. */
	taken = counter_take(psprintf("application/%s", name), max_count, get_period(fcinfo, 2),
						 &wait);
	if (!taken && wait == COUNTER_WAIT_UNKNOWN)
		raise_counters_full();
	PG_RETURN_BOOL(taken);
}

PG_FUNCTION_INFO_V1(anon_auth_reset_counters);
Datum
anon_auth_reset_counters(PG_FUNCTION_ARGS)
{
	counters_reset();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_counter_statistics);
Datum
anon_auth_counter_statistics(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *column;
		CounterStatistic statistic;
	}			columns[] = {
		{"counters_refused", COUNTER_NO_ROOM},
		{"rate_limited", COUNTER_RATE_LIMITED},
		{"locked_out", COUNTER_LOCKED_OUT},
		{"rolled_back_logins", COUNTER_ROLLED_BACK_LOGINS},
		{"rolled_back_refreshes", COUNTER_ROLLED_BACK_REFRESHES},
		{"sign_ups_total", COUNTER_SIGN_UPS},
		{"refreshes_total", COUNTER_REFRESHES},
		{"promotions_total", COUNTER_PROMOTIONS},
		{"merges_total", COUNTER_MERGES},
		{"purged_guests_total", COUNTER_PURGED_GUESTS},
		{"purged_sessions_total", COUNTER_PURGED_SESSIONS}
	};
	ResultRow  *row = result_row_begin(fcinfo);
	int64		live;
	int64		size;
	int			i;

	counters_usage(&live, &size);
	result_row_set(row, "counters", Int64GetDatum(live));
	result_row_set(row, "counters_max", Int64GetDatum(size));
	for (i = 0; i < lengthof(columns); i++)
		result_row_set(row, columns[i].column,
					   Int64GetDatum((int64) counter_statistic(columns[i].statistic)));
	result_row_set(row, "logins_total", JsonbPGetDatum(statistics_logins()));
	result_row_set(row, "refusals_total", JsonbPGetDatum(statistics_refusals()));
	return result_row_finish(row);
}

PG_FUNCTION_INFO_V1(anon_auth_tables_are_local);
Datum
anon_auth_tables_are_local(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(user_admin_rows_are_local());
}
