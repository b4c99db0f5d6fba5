/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  A guest becomes part of an account that exists already.
 *
 * The guest's rows in the application's tables move to the account, and the guest is
 * deleted.  The guest is locked before any row moves.  Otherwise another transaction
 * could add a row that references the guest, and the row would be deleted with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "counters/transaction_counters.h"
#include "domain/hook.h"
#include "domain/merge.h"
#include "domain/user_admin.h"
#include "json/json_write.h"
#include "store/app_statement.h"
#include "store/app_tables.h"
#include "store/device_keys.h"
#include "store/events.h"
#include "store/foreign_keys.h"
#include "store/merged_guests.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/user_deletion.h"
#include "store/users.h"

/* Return a JSON object with the number of moved rows of each table that had any. */
static char *
count_moved_rows(const AppTable *tables, int count)
{
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	for (i = 0; i < count; i++)
	{
		if (tables[i].moved == 0)
			continue;
		if (json.len > 1)
			appendStringInfoChar(&json, ',');
		json_append_string(&json, tables[i].qualified_name);
		appendStringInfo(&json, ":" UINT64_FORMAT, tables[i].moved);
	}
	json_close(&json);
	return json.data;
}

/* Write an event for the account, and one for the guest. */
static void
record_merge(const char *client_id, const pg_uuid_t *guest_id, const pg_uuid_t *user_id,
			 const AppTable *tables, int count, TimestampTz now)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "anonymous_user_id", guest_id);
	json_add_raw(&json, "rows", count_moved_rows(tables, count));
	json_close(&json);
	events_insert("user.anonymous.merged", user_id, client_id, json_to_jsonb(json.data), now);

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "merged_into", user_id);
	json_close(&json);
	events_insert("user.deleted", guest_id, client_id, json_to_jsonb(json.data), now);
	counter_statistic_at_commit(COUNTER_MERGES, 1);
}

/*
 * Locks are taken in the order of statement.h: device key, user, session.  Triggers that
 * the caller has deferred run before the hook, so that their errors are not reported as
 * errors of the hook.  Triggers that the hook has deferred run before rows are moved.
 */
bool
merge_guest(const char *client_id, const User *guest, const pg_uuid_t *session_id,
			const pg_uuid_t *user_id, const char *hook, TimestampTz now,
			AppTable **tables, int *count)
{
	User		user;

	foreign_keys_hold();
	if (guest->device_kid != NULL)
		device_keys_remove(guest->device_kid, &guest->id, user_id, now);
	if (!users_lock_guest(&guest->id, &user) ||
		(session_id != NULL && !sessions_delete(&guest->id, session_id)))
		return false;

	app_statement_run_deferred();
	hook_merge(hook, &guest->id, user_id);
	app_statement_run_deferred();
	*tables = user_deletion_merge(&guest->id, user_id, count);
	merged_guests_insert(&guest->id, user_id, now);
	record_merge(client_id, &guest->id, user_id, *tables, *count, now);
	return true;
}

/* The argument and result of merge_now(). */
typedef struct AdminMerge
{
	const pg_uuid_t *guest_id;
	const pg_uuid_t *user_id;
	TimestampTz now;
	AppTable   *tables;
	int			count;
} AdminMerge;

pg_noreturn static void
raise_not_guest_and_user(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a guest can only be merged into a regular user")));
}

/*
 * Raise the error for a guest that could not be locked.  The change that
 * prevented the lock has committed, so reading the guest again shows the reason.
 */
pg_noreturn static void
raise_unmergeable(const pg_uuid_t *guest_id)
{
	User		guest;

	user_admin_get(guest_id, &guest);
	if (!guest.is_anonymous)
		raise_not_guest_and_user();
	if (guest.is_disabled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the guest is disabled"),
				 errhint("Call anon_auth.enable_user() first.")));
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/* The account is locked before the guest, as the lock order of statement.h demands. */
static void
merge_now(void *arg)
{
	AdminMerge *merge = arg;
	AccountPolicy policy;
	User		guest;
	User		user;

	foreign_keys_hold();
	user_admin_get(merge->guest_id, &guest);
	user_admin_get(merge->user_id, &user);
	settings_read_account_policy(&policy);
	if (!guest.is_anonymous || user.is_anonymous)
		raise_not_guest_and_user();
	if (!users_lock(merge->user_id))
		user_admin_get(merge->user_id, &user);
	if (!merge_guest(NULL, &guest, NULL, merge->user_id, policy.merge, merge->now,
					 &merge->tables, &merge->count))
		raise_unmergeable(merge->guest_id);
}

void
merge_by_admin(const pg_uuid_t *guest_id, const pg_uuid_t *user_id, bool dry_run,
			   TimestampTz now, AppTable **tables, int *count)
{
	AdminMerge	merge = {.guest_id = guest_id,.user_id = user_id,.now = now};

	if (dry_run)
		subtransaction_rehearse(merge_now, &merge);
	else
		merge_now(&merge);
	*tables = merge.tables;
	*count = merge.count;
}
