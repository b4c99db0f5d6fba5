/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Deleting what nobody can come back to, and what has expired.
 *
 * A batch is a transaction.  Guests go first: their sessions go with them.
 * Rows of the application are respected: settings.purge_policy says which of
 * them keep a guest.  A guest that cannot be deleted is looked at again after
 * a day, and after five minutes if the fault may have passed by then, so that such
 * guests do not block the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "domain/lifetimes.h"
#include "domain/purge.h"
#include "json/json_write.h"
#include "miscadmin.h"
#include "store/app_rows.h"
#include "store/foreign_keys.h"
#include "store/purge.h"
#include "store/settings.h"
#include "store/store.h"
#include "store/user_deletion.h"
#include "utils/fmgrprotos.h"

#define REPLAY_INTERVAL		(2 * SHORT_LIFETIME)

typedef struct Purge
{
	PurgePolicy policy;
	TimestampTz now;
	int			batch_size;
	PurgeCounts counts;
} Purge;

typedef struct Deletion
{
	ArrayType  *ids;
	TimestampTz now;
} Deletion;

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

static void
delete_guests(void *arg)
{
	Deletion   *deletion = arg;

	user_deletion_delete(deletion->ids);
	record_deletion(deletion->ids, deletion->now);
}

/* What is wrong with the server, or waits for a lock, passes without anybody's doing. */
static int64
retry_interval(const ErrorData *error)
{
	return (error_may_pass(error) ? PURGE_PASSING_RETRY_SECONDS : PURGE_RETRY_SECONDS) *
		USECS_PER_SEC;
}

static void
warn(const ErrorData *error, const char *what)
{
	ereport(WARNING,
			(errmsg("%s: %s", what, error->message),
			 error_may_pass(error) ?
			 errdetail("purge() will try again after 5 minutes.") :
			 errdetail("purge() will try again after a day.")));
}

/* What of a batch can be deleted, where the batch as a whole cannot. */
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
			warn(error, "a guest could not be deleted");
		purge_postpone(deletion.ids, purge->now + retry_interval(error));
	}
}

typedef struct Keeping
{
	ArrayType  *ids;
	bool		restricting_only;
	ArrayType  *kept;
} Keeping;

static void
find_kept(void *arg)
{
	Keeping    *keeping = arg;
	ArrayType  *kept = app_rows_find_users(keeping->ids, keeping->restricting_only);

	keeping->kept = purge_subtract(keeping->ids, purge_subtract(keeping->ids, kept));
}

/*
 * Those whose rows keep them from being deleted: all of them where a table cannot
 * be read, which its owner can see to.
 */
static ArrayType *
kept_guests(ArrayType *ids, bool restricting_only, int64 *interval)
{
	Keeping		keeping = {.ids = ids,.restricting_only = restricting_only};
	ErrorData  *error = subtransaction_try_foreign(find_kept, &keeping);

	*interval = PURGE_RETRY_SECONDS * USECS_PER_SEC;
	if (error == NULL)
		return keeping.kept;
	*interval = retry_interval(error);
	warn(error, "guests could not be looked for in your tables");
	return ids;
}

/* since: what is later counts as use.  Returns whether any was not held by others. */
static bool
purge_due(Purge *purge, bool with_key, TimestampTz since, ArrayType *due)
{
	Deletion	deletion = {.now = purge->now};
	ArrayType  *kept;
	int64		interval;

	foreign_keys_hold();
	deletion.ids = purge_lock_guests(with_key, due);
	if (purge_count(deletion.ids) == 0)
		return false;
	deletion.ids = purge_subtract(deletion.ids,
								  purge_postpone_used(with_key, deletion.ids, since));

	kept = kept_guests(deletion.ids, purge->policy.cascade, &interval);
	purge_postpone(kept, purge->now + interval);
	purge->counts.skipped_guests += purge_count(kept);
	deletion.ids = purge_subtract(deletion.ids, kept);

	if (purge_count(deletion.ids) == 0)
		return true;
	if (subtransaction_try_foreign(delete_guests, &deletion) == NULL)
		purge->counts.guests += purge_count(deletion.ids);
	else
		delete_one_by_one(purge, deletion.ids);
	return true;
}

static void
purge_guests(Purge *purge, bool with_key, TimestampTz since)
{
	ArrayType  *due = purge_due_guests(with_key, since, purge->batch_size);
	ArrayType **batches;
	int			count;
	bool		any = false;
	int			i;

	if (purge_count(due) == 0)
		return;
	batches = purge_batches(due, &count);
	for (i = 0; i < count; i++)
		any |= purge_due(purge, with_key, since, batches[i]);
	if (any && purge_count(due) == purge->batch_size)
		purge->counts.has_more = true;
}

static TimestampTz
before(TimestampTz now, const Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(interval)));
}

static uint64
purge_kind(Purge *purge, PurgeKind kind, TimestampTz before)
{
	uint64		count = purge_rows(kind, before, purge->batch_size);

	/* With Citus more than that are deleted at once. */
	if (count >= purge->batch_size)
		purge->counts.has_more = true;
	return count;
}

static void
run(void *arg)
{
	Purge	   *purge = arg;
	PurgeCounts *counts = &purge->counts;
	TimestampTz now = purge->now;
	bool		more;

	settings_read_purge_policy(&purge->policy);
	purge_guests(purge, false, now);
	if (purge->policy.guest_retention != NULL)
		purge_guests(purge, true, before(now, purge->policy.guest_retention));
	counts->sessions = purge_sessions(now, purge->batch_size, &more);
	counts->has_more |= more;
	counts->authorization_codes = purge_kind(purge, PURGE_AUTHORIZATION_CODES, now);
	counts->one_time_codes = purge_kind(purge, PURGE_ONE_TIME_CODES, now);
	counts->outbox_messages = purge_kind(purge, PURGE_OUTBOX_MESSAGES, now);
	counts->removed_device_keys = purge_kind(purge, PURGE_REMOVED_DEVICE_KEYS,
											 now - REPLAY_INTERVAL);
	if (purge->policy.event_retention != NULL)
		counts->events = purge_kind(purge, PURGE_EVENTS,
									before(now, purge->policy.event_retention));
	signing_keys_end_retiring(now);
}

void
purge_run(int batch_size, bool dry_run, TimestampTz now, PurgeCounts *counts)
{
	Purge		purge = {.now = now,.batch_size = batch_size};

	if (dry_run)
		subtransaction_rehearse(run, &purge);
	else
		run(&purge);
	*counts = purge.counts;
}
