/*-------------------------------------------------------------------------
 *
 * distributed_purge.c
 *	  What purge.c does otherwise where Citus has spread the tables.
 *
 * Rows of several shards cannot be locked.  So candidates are found first, by
 * what they are distributed by, and what has expired of those goes: no more
 * shards are asked than have something to delete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/distributed_purge.h"
#include "store/statement.h"

typedef struct DueRows
{
	StoreStatement find;		/* before, limit */
	StoreStatement delete;		/* what find found, before */
} DueRows;

/* One at a time: two would each wait for rows that the other deletes. */
static StoreStatement lock_out_others = {
	.sql = "LOCK TABLE anon_auth.users IN SHARE UPDATE EXCLUSIVE MODE",
};

#define DUE_ROWS(table, key, condition) \
	{ \
		.find = { \
			.sql = "SELECT DISTINCT d.key FROM (SELECT " key " AS key" \
			" FROM anon_auth." table " WHERE " condition("$1") " LIMIT $2) d", \
			.custom_plans = true,.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID} \
		}, \
		.delete = { \
			.sql = "DELETE FROM anon_auth." table " WHERE " key " = ANY ($1) AND " condition("$2"), \
			.custom_plans = true,.nparams = 2,.types = {UUIDARRAYOID, TIMESTAMPTZOID} \
		} \
	}

#define EXPIRED(before)		"expires_at <= " before
#define REMOVED(before)		"removed_at <= " before
#define CREATED(before)		"created_at < " before

static DueRows due_rows[] = {
	[PURGE_AUTHORIZATION_CODES] = DUE_ROWS("authorization_codes", "user_id", EXPIRED),
	[PURGE_ONE_TIME_CODES] = DUE_ROWS("one_time_codes", "user_id", EXPIRED),
	[PURGE_OUTBOX_MESSAGES] = DUE_ROWS("outbox", "user_id", EXPIRED),
	[PURGE_REMOVED_DEVICE_KEYS] = DUE_ROWS("removed_device_keys", "route", REMOVED),
	[PURGE_EVENTS] = DUE_ROWS("events", "user_id", CREATED)
};

static StoreStatement find_users_of_due_sessions = {
	.sql = "SELECT user_id FROM anon_auth.sessions WHERE purge_from <= $1"
	" ORDER BY purge_from LIMIT $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

static StoreStatement delete_expired_sessions = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = ANY ($1) AND expires_at <= $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement postpone_sessions = {
	.sql = "UPDATE anon_auth.sessions SET purge_from = expires_at"
	" WHERE user_id = ANY ($1) AND purge_from <= $2 AND expires_at > $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

#define OLD_LOCKOUT		"last_failed_at < $1 AND (locked_until IS NULL OR locked_until < $2)"

static StoreStatement find_old_lockouts = {
	.sql = "SELECT bucket FROM anon_auth.lockouts WHERE " OLD_LOCKOUT " LIMIT $3",
	.custom_plans = true,
	.nparams = 3,
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}
};

static StoreStatement delete_old_lockouts = {
	.sql = "DELETE FROM anon_auth.lockouts WHERE bucket = ANY ($3) AND " OLD_LOCKOUT,
	.custom_plans = true,
	.nparams = 3,
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDARRAYOID}
};

void
distributed_purge_begin(void)
{
	store_run(&lock_out_others, NULL, NULL, NULL);
}

uint64
distributed_purge_sessions(TimestampTz now, int limit, bool *more)
{
	Datum		params[2];
	ArrayType  *user_ids;
	uint64		deleted;

	params[0] = TimestampTzGetDatum(now);
	params[1] = Int32GetDatum(limit);
	user_ids = store_run_for_ids(&find_users_of_due_sessions, params);
	*more = purge_count(user_ids) == limit;
	if (purge_count(user_ids) == 0)
		return 0;
	params[0] = PointerGetDatum(user_ids);
	params[1] = TimestampTzGetDatum(now);
	deleted = store_run(&delete_expired_sessions, params, NULL, NULL);
	store_run(&postpone_sessions, params, NULL, NULL);
	return deleted;
}

uint64
distributed_purge_rows(PurgeKind kind, TimestampTz before, int limit)
{
	Datum		params[2];
	ArrayType  *keys;

	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	keys = store_run_for_ids(&due_rows[kind].find, params);
	if (purge_count(keys) == 0)
		return 0;
	params[0] = PointerGetDatum(keys);
	params[1] = TimestampTzGetDatum(before);
	return store_run(&due_rows[kind].delete, params, NULL, NULL);
}

uint64
distributed_purge_lockouts(TimestampTz failed_before, TimestampTz now, int limit)
{
	Datum		params[3];
	ArrayType  *buckets;

	params[0] = TimestampTzGetDatum(failed_before);
	params[1] = TimestampTzGetDatum(now);
	params[2] = Int32GetDatum(limit);
	buckets = store_run_for_ids(&find_old_lockouts, params);
	if (purge_count(buckets) == 0)
		return 0;
	params[2] = PointerGetDatum(buckets);
	return store_run(&delete_old_lockouts, params, NULL, NULL);
}
