/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Deleting abandoned guests and expired rows.
 *
 * A call deletes at most one batch of each kind.  Guests are deleted first, together
 * with their sessions.  settings.purge_policy says which rows of the application keep
 * a guest.  A guest that cannot be deleted is postponed by a day, so that such guests do
 * not block others.  After an error that may pass without intervention, it is postponed
 * by five minutes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "counters/revocations.h"
#include "counters/transaction_counters.h"
#include "domain/account_deletion.h"
#include "domain/lifetimes.h"
#include "domain/purge.h"
#include "domain/purge_retry.h"
#include "json/json_write.h"
#include "miscadmin.h"
#include "store/app_rows.h"
#include "store/due_guests.h"
#include "store/due_rows.h"
#include "store/events.h"
#include "store/foreign_keys.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/signing_keys.h"
#include "store/user_deletion.h"
#include "store/users.h"
#include "utils/fmgrprotos.h"

/*
 * How long used challenges of a removed device key or identity are kept: a challenge is
 * valid for five minutes, and may come from a clock that is five minutes ahead.
 */
#define REPLAY_INTERVAL		(2 * SHORT_LIFETIME)

/* How long a merge is remembered, in microseconds. */
#define MERGED_GUEST_INTERVAL	(INT64CONST(1) * MERGED_GUEST_SECONDS * USECS_PER_SEC)

/* A call of purge(). */
typedef struct Purge
{
	PurgePolicy policy;
	TimestampTz now;
	int			batch_size;
	PurgeCounts counts;
} Purge;

/* The argument of delete_guests(). */
typedef struct Deletion
{
	ArrayType  *ids;
	TimestampTz now;
} Deletion;

/* Write an event for each deleted guest, unless the settings exclude this type. */
static void
record_deletion(ArrayType *ids, TimestampTz now)
{
	Jsonb	   *payload;
	Datum	   *items;
	int			count;
	int			i;

	if (!events_are_kept("user.deleted"))
		return;
	payload = json_to_jsonb("{\"reason\": \"purged\"}");
	deconstruct_array(ids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &items, NULL, &count);
	for (i = 0; i < count; i++)
		events_insert("user.deleted", DatumGetUUIDP(items[i]), NULL, payload, now);
}

/* Callers run this in a subtransaction: triggers of the application may raise any error. */
static void
delete_guests(void *arg)
{
	Deletion   *deletion = arg;

	user_deletion_delete(deletion->ids);
	record_deletion(deletion->ids, deletion->now);
}

/*
 * Delete each guest of a batch in a separate subtransaction, because one of them made
 * the deletion of the whole batch fail.  Postpone those that fail again.
 */
static void
delete_one_by_one(Purge *purge, ArrayType *ids)
{
	Datum	   *items;
	int			count;
	int			i;

	deconstruct_array(ids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &items, NULL, &count);
	for (i = 0; i < count; i++)
	{
		Deletion	deletion = {.now = purge->now};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		deletion.ids = construct_array(&items[i], 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
		error = subtransaction_try_foreign(delete_guests, &deletion);
		if (error == NULL)
		{
			purge->counts.guests++;
			continue;
		}
		if (purge->counts.skipped_guests++ == 0)
			purge_retry_warn(error, "could not delete a guest");
		due_guests_postpone(deletion.ids, purge->now + purge_retry_interval(error));
	}
}

/* The argument of find_kept_guests(): the result is in kept. */
typedef struct Keeping
{
	ArrayType  *ids;
	bool		restricting_only;
	ArrayType  *kept;
} Keeping;

static void
find_kept_guests(void *arg)
{
	Keeping    *keeping = arg;
	ArrayType  *kept = app_rows_find_users(keeping->ids, keeping->restricting_only);

	keeping->kept = due_guests_subtract(keeping->ids, due_guests_subtract(keeping->ids, kept));
}

/*
 * Return the guests that rows of the application keep, and set *interval to the time by
 * which to postpone them.  If a table cannot be read, all guests are kept, and a WARNING
 * reports the error.
 */
static ArrayType *
kept_guests(ArrayType *ids, bool restricting_only, int64 *interval)
{
	Keeping		keeping = {.ids = ids,.restricting_only = restricting_only};
	ErrorData  *error = subtransaction_try_foreign(find_kept_guests, &keeping);

	*interval = PURGE_RETRY_SECONDS * USECS_PER_SEC;
	if (error == NULL)
		return keeping.kept;
	*interval = purge_retry_interval(error);
	purge_retry_warn(error, "could not look for rows of guests in the application's tables");
	return ids;
}

/*
 * Delete the due guests that are not in use and that no row keeps.  A guest is in use if
 * it has a session that expires after since, or was seen after since.  Returns false if
 * other transactions hold all of the guests.
 */
static bool
purge_due_batch(Purge *purge, bool with_key, TimestampTz since, ArrayType *due)
{
	Deletion	deletion = {.now = purge->now};
	ArrayType  *kept;
	int64		interval;

	foreign_keys_hold();
	deletion.ids = due_guests_lock(with_key, due);
	if (due_guests_count(deletion.ids) == 0)
		return false;
	deletion.ids = due_guests_subtract(deletion.ids,
									   due_guests_postpone_used(with_key, deletion.ids, since));

	kept = kept_guests(deletion.ids, purge->policy.purge_policy == PURGE_MODE_CASCADE, &interval);
	due_guests_postpone(kept, purge->now + interval);
	purge->counts.skipped_guests += due_guests_count(kept);
	deletion.ids = due_guests_subtract(deletion.ids, kept);

	if (due_guests_count(deletion.ids) == 0)
		return true;
	if (subtransaction_try_foreign(delete_guests, &deletion) == NULL)
		purge->counts.guests += due_guests_count(deletion.ids);
	else
		delete_one_by_one(purge, deletion.ids);
	return true;
}

/*
 * Delete a batch of guests.  has_more is set only if some of them could be locked.
 * Otherwise a loop until has_more is false would not end while other transactions hold
 * them.
 */
static void
purge_guests(Purge *purge, bool with_key, TimestampTz since)
{
	ArrayType  *due = due_guests_find(with_key, since, purge->batch_size);
	ArrayType **batches;
	int			count;
	bool		any = false;
	int			i;

	if (due_guests_count(due) == 0)
		return;
	batches = due_guests_divide(due, &count);
	for (i = 0; i < count; i++)
		any |= purge_due_batch(purge, with_key, since, batches[i]);
	if (any && due_guests_count(due) == purge->batch_size)
		purge->counts.has_more = true;
}

static TimestampTz
subtract_interval(TimestampTz now, const Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(interval)));
}

static uint64
purge_kind(Purge *purge, DueKind kind, TimestampTz before)
{
	uint64		count = due_rows_delete(kind, before, purge->batch_size);

	/* With Citus, the limit is a number of users, and each may have several rows. */
	if (count >= purge->batch_size)
		purge->counts.has_more = true;
	return count;
}

/*
 * Delete the sessions that a transaction revoked that rolled back.  has_more is not set:
 * other transactions may hold the sessions.
 */
static uint64
purge_revoked_sessions(const Purge *purge)
{
	int			count;
	Revocation *revocations = revocations_list(purge->batch_size, &count);
	uint64		total = 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		const pg_uuid_t *user_id = &revocations[i].user_id;
		uint64		deleted = sessions_delete_revoked(&revocations[i]);

		CHECK_FOR_INTERRUPTS();
		if (deleted == 0)
			continue;
		sessions_ended(user_id, purge->now);
		events_insert("user.signed_out", user_id, NULL,
					  json_to_jsonb(psprintf("{\"sessions\": " UINT64_FORMAT ", \"reason\": \"revoked\"}",
											 deleted)),
					  purge->now);
		total += deleted;
	}
	return total;
}

static void
purge_accounts(Purge *purge)
{
	AccountDeletionCounts accounts;

	account_deletion_purge(purge->batch_size, purge->now, &accounts);
	purge->counts.accounts = accounts.deleted;
	purge->counts.skipped_accounts = accounts.skipped;
	purge->counts.has_more |= accounts.has_more;
}

static void
purge_all_kinds(void *arg)
{
	Purge	   *purge = arg;
	PurgeCounts *counts = &purge->counts;
	TimestampTz now = purge->now;
	bool		more;

	settings_read_purge_policy(&purge->policy);
	purge_guests(purge, false, now);
	if (purge->policy.guest_retention != NULL)
		purge_guests(purge, true, subtract_interval(now, purge->policy.guest_retention));
	purge_accounts(purge);
	counts->sessions = due_rows_delete_sessions(now, purge->batch_size, &more);
	counts->has_more |= more;
	counts->sessions += purge_revoked_sessions(purge);
	counter_statistic_at_commit(COUNTER_PURGED_GUESTS, counts->guests);
	counter_statistic_at_commit(COUNTER_PURGED_SESSIONS, counts->sessions);
	counts->authorization_codes = purge_kind(purge, DUE_AUTHORIZATION_CODES, now);
	counts->one_time_codes = purge_kind(purge, DUE_ONE_TIME_CODES, now);
	counts->address_codes = purge_kind(purge, DUE_ADDRESS_CODES, now);
	counts->outbox_messages = purge_kind(purge, DUE_OUTBOX_MESSAGES, now);
	counts->removed_device_keys = purge_kind(purge, DUE_REMOVED_DEVICE_KEYS,
											 now - REPLAY_INTERVAL);
	counts->removed_identities = purge_kind(purge, DUE_REMOVED_IDENTITIES, now - REPLAY_INTERVAL);
	counts->merged_guests = purge_kind(purge, DUE_MERGED_GUESTS, now - MERGED_GUEST_INTERVAL);
	if (purge->policy.event_retention != NULL)
		counts->events = purge_kind(purge, DUE_EVENTS,
									subtract_interval(now, purge->policy.event_retention));
	signing_keys_end_retiring(now);
}

void
purge_run(int batch_size, bool dry_run, TimestampTz now, PurgeCounts *counts)
{
	Purge		purge = {.now = now,.batch_size = batch_size};

	if (dry_run)
		subtransaction_rehearse(purge_all_kinds, &purge);
	else
		purge_all_kinds(&purge);
	*counts = purge.counts;
}
