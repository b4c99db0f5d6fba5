/*-------------------------------------------------------------------------
 *
 * account_deletion.c
 *	  Deletion of one user: at once, or after a period in which it can be cancelled.
 *
 * purge() deletes each due account in its own subtransaction, with the hook.  An account
 * that cannot be deleted is postponed, so that it does not block others; delete_at
 * still says since when it is due.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/subtransaction.h"
#include "base/unix_time.h"
#include "catalog/pg_type.h"
#include "domain/account_deletion.h"
#include "domain/account_device_key.h"
#include "domain/federated_identity.h"
#include "domain/hook.h"
#include "domain/message.h"
#include "domain/purge_retry.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "store/device_keys.h"
#include "store/due_accounts.h"
#include "store/due_guests.h"
#include "store/events.h"
#include "store/foreign_keys.h"
#include "store/settings.h"
#include "store/user_deletion.h"
#include "utils/fmgrprotos.h"

bool
account_deletion_lock(const pg_uuid_t *id, const char *device_kid, User *user, TimestampTz now)
{
	foreign_keys_hold();
	if (device_kid != NULL)
		device_keys_remove(device_kid, id, NULL, now);
	return users_lock_for_deletion(id, user);
}

void
account_deletion_run(const User *user, const char *reason, const char *client_id,
					 TimestampTz now)
{
	DeletionPolicy policy;

	settings_read_deletion_policy(&policy);
	hook_before_deletion(policy.before_deletion, &user->id);
	federated_identity_remove_all(user, now);
	account_device_key_remove_all(user, NULL, now);
	user_deletion_delete_one(&user->id);
	events_insert("user.deleted", &user->id, client_id,
				  reason == NULL ? NULL :
				  json_to_jsonb(psprintf("{\"reason\": \"%s\"}", reason)), now);
}

TimestampTz
account_deletion_time(TimestampTz now)
{
	DeletionPolicy policy;

	settings_read_deletion_policy(&policy);
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(policy.account_deletion_grace)));
}

bool
account_deletion_is_immediate(const User *user)
{
	return user->is_anonymous || (user->delete_at == 0 && account_deletion_time(0) == 0);
}

static Jsonb *
payload_of_schedule(TimestampTz delete_at)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_integer(&json, "delete_at", unix_seconds(delete_at));
	json_close(&json);
	return json_to_jsonb(json.data);
}

TimestampTz
account_deletion_schedule(const User *user, const Session *session, TimestampTz now)
{
	TimestampTz delete_at = user->delete_at;

	recent_login_require(user, session, now);
	if (delete_at != 0)
		return delete_at;
	delete_at = account_deletion_time(now);
	users_set_delete_at(&user->id, delete_at, now);
	session_end_others(user, session, now);
	events_insert("user.deletion_scheduled", &user->id, session->client_id,
				  payload_of_schedule(delete_at), now);
	message_notify_user(user, MESSAGE_ACCOUNT_DELETION_SCHEDULED, session->client_id, now);
	return delete_at;
}

/*
 * A guest's device key comes before its row in the lock order, so the row is locked first
 * only if the key stays.
 */
TimestampTz
account_deletion_request(const User *user, const Session *session, TimestampTz now)
{
	User		locked;
	Session		current;

	if (!account_deletion_is_immediate(user))
	{
		session_lock_user(&user->id, &session->id, now, &locked, &current);
		return account_deletion_schedule(&locked, &current, now);
	}
	if (!account_deletion_lock(&user->id, user->device_kid, &locked, now))
		raise_invalid_session("The user does not exist.");
	/* The session may have ended while this call waited. */
	session_get_user(&user->id, &session->id, now, &locked, &current);
	recent_login_require(&locked, &current, now);
	account_deletion_run(&locked, "requested", current.client_id, now);
	return now;
}

bool
account_deletion_cancel(const User *user, const Session *session, TimestampTz now)
{
	if (user->delete_at == 0)
		return false;
	users_set_delete_at(&user->id, 0, now);
	events_insert("user.deletion_unscheduled", &user->id, session->client_id, NULL, now);
	return true;
}

/* ---- purge() ---- */

/* The argument of delete_account(). */
typedef struct DueAccount
{
	const pg_uuid_t *id;
	TimestampTz now;
} DueAccount;

/* Run in a subtransaction: triggers and the hook of the application may raise any error. */
static void
delete_account(void *arg)
{
	DueAccount *due = arg;
	User		user;

	if (users_find(due->id, &user))
		account_deletion_run(&user, "requested", NULL, due->now);
}

/* Return whether other transactions hold none of the accounts, or not all. */
static bool
purge_batch(ArrayType *accounts, TimestampTz now, AccountDeletionCounts *counts)
{
	Datum	   *ids;
	int			count;
	int			i;

	foreign_keys_hold();
	deconstruct_array(due_accounts_lock(accounts, now), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &ids, NULL, &count);
	for (i = 0; i < count; i++)
	{
		DueAccount	due = {DatumGetUUIDP(ids[i]), now};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		error = subtransaction_try_foreign(delete_account, &due);
		if (error == NULL)
		{
			counts->deleted++;
			continue;
		}
		if (counts->skipped++ == 0)
			purge_retry_warn(error, "could not delete an account whose user has asked for it");
		due_guests_postpone(construct_array(&ids[i], 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR),
							now + purge_retry_interval(error));
	}
	return count > 0;
}

void
account_deletion_purge(int limit, TimestampTz now, AccountDeletionCounts *counts)
{
	ArrayType  *due = due_accounts_find(now, limit);
	ArrayType **batches;
	int			count;
	bool		any = false;
	int			i;

	memset(counts, 0, sizeof(AccountDeletionCounts));
	if (due_guests_count(due) == 0)
		return;
	batches = due_guests_divide(due, &count);
	for (i = 0; i < count; i++)
		any |= purge_batch(batches[i], now, counts);
	counts->has_more = any && due_guests_count(due) == limit;
}
