/*-------------------------------------------------------------------------
 *
 * distributed_purge.c
 *	  What purge.c does otherwise where Citus has spread the tables.
 *
 * Rows can be locked on one shard at a time, and those that somebody else holds
 * must be skipped: who calls a function and does not commit would keep everything
 * from being purged.  So candidates are found first, by what they are distributed
 * by, and then what has expired of each goes.  Events, which nobody changes, go
 * together.
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
	StoreStatement delete;		/* one that find found, before */
} DueRows;

#define DUE_ROWS(table, distributed_by, key, condition) \
	{ \
		.find = { \
			.sql = "SELECT DISTINCT d.id FROM (SELECT " distributed_by " AS id" \
			" FROM anon_auth." table " WHERE " condition("$1") " LIMIT $2) d", \
			.custom_plans = true,.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID} \
		}, \
		.delete = { \
			.sql = "WITH free AS (SELECT " distributed_by ", " key " FROM anon_auth." table \
			"  WHERE " distributed_by " = $1 AND " condition("$2") " FOR UPDATE SKIP LOCKED)" \
			" DELETE FROM anon_auth." table " WHERE " distributed_by " = $1" \
			" AND (" key ") IN (SELECT " key " FROM free)", \
			.nparams = 2,.types = {UUIDOID, TIMESTAMPTZOID} \
		} \
	}

#define EXPIRED(before)		"expires_at <= " before
#define REMOVED(before)		"removed_at <= " before

static DueRows due_rows[] = {
	[PURGE_AUTHORIZATION_CODES] = DUE_ROWS("authorization_codes", "user_id", "route, code_hash", EXPIRED),
	[PURGE_ONE_TIME_CODES] = DUE_ROWS("one_time_codes", "user_id", "purpose, login_id_type", EXPIRED),
	[PURGE_OUTBOX_MESSAGES] = DUE_ROWS("outbox", "user_id", "id", EXPIRED),
	[PURGE_REMOVED_DEVICE_KEYS] = DUE_ROWS("removed_device_keys", "route", "kid", REMOVED)
};

static StoreStatement find_events = {
	.sql = "SELECT DISTINCT d.user_id FROM (SELECT user_id FROM anon_auth.events"
	" WHERE created_at < $1 LIMIT $2) d",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

/* Two at once would each wait for rows that the other deletes. */
static StoreStatement lock_events = {
	.sql = "LOCK TABLE anon_auth.events IN SHARE UPDATE EXCLUSIVE MODE",
};

static StoreStatement delete_events = {
	.sql = "DELETE FROM anon_auth.events WHERE user_id = ANY ($1) AND created_at < $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement find_due_sessions = {
	.sql = "SELECT user_id, id FROM anon_auth.sessions WHERE purge_from <= $1"
	" ORDER BY purge_from LIMIT $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

static StoreStatement delete_expired_session = {
	.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
	"  WHERE user_id = $1 AND id = $2 AND expires_at <= $3 FOR UPDATE SKIP LOCKED)"
	" DELETE FROM anon_auth.sessions WHERE user_id = $1 AND id IN (SELECT id FROM free)",
	.nparams = 3,
	.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement postpone_session = {
	.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
	"  WHERE user_id = $1 AND id = $2 AND expires_at > $3 FOR UPDATE SKIP LOCKED)"
	" UPDATE anon_auth.sessions SET purge_from = expires_at"
	" WHERE user_id = $1 AND id IN (SELECT id FROM free)",
	.nparams = 3,
	.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}
};

#define OLD_LOCKOUT(before, now) \
	"last_failed_at < " before " AND (locked_until IS NULL OR locked_until < " now ")"

static StoreStatement find_old_lockouts = {
	.sql = "SELECT bucket FROM anon_auth.lockouts WHERE " OLD_LOCKOUT("$1", "$2") " LIMIT $3",
	.custom_plans = true,
	.nparams = 3,
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}
};

static StoreStatement delete_old_lockout = {
	.sql = "WITH free AS (SELECT bucket FROM anon_auth.lockouts"
	"  WHERE bucket = $1 AND " OLD_LOCKOUT("$2", "$3") " FOR UPDATE SKIP LOCKED)"
	" DELETE FROM anon_auth.lockouts WHERE bucket = $1 AND bucket IN (SELECT bucket FROM free)",
	.nparams = 3,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

uint64
distributed_purge_sessions(TimestampTz now, int limit, bool *more)
{
	Datum		params[3];
	StoreRow   *rows;
	int			count;
	uint64		deleted = 0;
	int			i;

	params[0] = TimestampTzGetDatum(now);
	params[1] = Int32GetDatum(limit);
	rows = store_run_rows(&find_due_sessions, params, NULL, &count);
	*more = count == limit;
	for (i = 0; i < count; i++)
	{
		params[0] = rows[i].values[0];
		params[1] = rows[i].values[1];
		params[2] = TimestampTzGetDatum(now);
		if (store_run(&delete_expired_session, params, NULL, NULL) > 0)
			deleted++;
		else
			store_run(&postpone_session, params, NULL, NULL);
	}
	return deleted;
}

static uint64
purge_events(TimestampTz before, int limit)
{
	Datum		params[2];
	ArrayType  *user_ids;

	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	store_run(&lock_events, NULL, NULL, NULL);
	user_ids = store_run_for_ids(&find_events, params);
	if (purge_count(user_ids) == 0)
		return 0;
	params[0] = PointerGetDatum(user_ids);
	params[1] = TimestampTzGetDatum(before);
	return store_run(&delete_events, params, NULL, NULL);
}

uint64
distributed_purge_rows(PurgeKind kind, TimestampTz before, int limit)
{
	Datum		params[2];
	StoreRow   *rows;
	int			count;
	uint64		deleted = 0;
	int			i;

	if (kind == PURGE_EVENTS)
		return purge_events(before, limit);
	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	rows = store_run_rows(&due_rows[kind].find, params, NULL, &count);
	params[1] = TimestampTzGetDatum(before);
	for (i = 0; i < count; i++)
	{
		params[0] = rows[i].values[0];
		deleted += store_run(&due_rows[kind].delete, params, NULL, NULL);
	}
	return deleted;
}

uint64
distributed_purge_lockouts(TimestampTz failed_before, TimestampTz now, int limit)
{
	Datum		params[3];
	StoreRow   *rows;
	int			count;
	uint64		deleted = 0;
	int			i;

	params[0] = TimestampTzGetDatum(failed_before);
	params[1] = TimestampTzGetDatum(now);
	params[2] = Int32GetDatum(limit);
	rows = store_run_rows(&find_old_lockouts, params, NULL, &count);
	params[1] = TimestampTzGetDatum(failed_before);
	params[2] = TimestampTzGetDatum(now);
	for (i = 0; i < count; i++)
	{
		params[0] = rows[i].values[0];
		deleted += store_run(&delete_old_lockout, params, NULL, NULL);
	}
	return deleted;
}
