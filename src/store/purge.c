/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  What purge() asks of the tables: a batch of ids at a time.
 *
 * Candidates come from the small end of an index on purge_from, so that no
 * statement looks at users who are not due.  They are locked and looked at
 * again before they go; rows that somebody else holds are in use, and skipped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/placement.h"
#include "store/purge.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"

static StoreStatement due_keyless_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE is_anonymous AND device_kid IS NULL AND purge_from <= $1"
	" ORDER BY purge_from LIMIT $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

static StoreStatement due_keyed_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE is_anonymous AND device_kid IS NOT NULL AND purge_from < $1"
	" ORDER BY purge_from LIMIT $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

static StoreStatement lock_device_keys = {
	.sql = "SELECT user_id FROM anon_auth.device_keys WHERE user_id = ANY ($1)"
	" ORDER BY user_id FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.types = {UUIDARRAYOID}
};

static StoreStatement lock_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE id = ANY ($1) AND is_anonymous AND (device_kid IS NOT NULL) = $2"
	" ORDER BY id FOR UPDATE SKIP LOCKED",
	.nparams = 2,
	.types = {UUIDARRAYOID, BOOLOID}
};

/* The sessions are locked to see what a refresh is about to commit. */
static StoreStatement postpone_live = {
	.sql = "WITH held AS (SELECT user_id, expires_at FROM anon_auth.sessions"
	"  WHERE user_id = ANY ($1) FOR UPDATE),"
	" live AS (SELECT user_id, pg_catalog.max(expires_at) AS until FROM held"
	"  WHERE expires_at > $2 GROUP BY user_id)"
	" UPDATE anon_auth.users u SET purge_from = l.until FROM live l"
	" WHERE u.id = l.user_id AND u.id = ANY ($1) RETURNING u.id",
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement postpone_seen = {
	.sql = "WITH held AS (SELECT user_id, last_used_at FROM anon_auth.sessions"
	"  WHERE user_id = ANY ($1) FOR UPDATE),"
	" used AS (SELECT user_id, pg_catalog.max(last_used_at) AS at FROM held GROUP BY user_id),"
	" seen AS (SELECT u.id, GREATEST(u.last_seen_at, s.at) AS at"
	"  FROM anon_auth.users u LEFT JOIN used s ON s.user_id = u.id WHERE u.id = ANY ($1))"
	" UPDATE anon_auth.users u SET purge_from = s.at FROM seen s"
	" WHERE u.id = s.id AND u.id = ANY ($1) AND s.at >= $2 RETURNING u.id",
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement postpone = {
	.sql = "UPDATE anon_auth.users SET purge_from = $2 WHERE id = ANY ($1)",
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement subtract = {
	.sql = "SELECT pg_catalog.unnest($1) EXCEPT SELECT pg_catalog.unnest($2)",
	.nparams = 2,
	.types = {UUIDARRAYOID, UUIDARRAYOID}
};

static StoreStatement lock_due_sessions = {
	.sql = "SELECT pg_catalog.array_agg(d.user_id), pg_catalog.array_agg(d.id) FROM"
	" (SELECT user_id, id FROM anon_auth.sessions WHERE purge_from <= $1"
	" ORDER BY purge_from LIMIT $2 FOR UPDATE SKIP LOCKED) d",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

static StoreStatement delete_expired_sessions = {
	.sql = "DELETE FROM anon_auth.sessions s USING ROWS FROM"
	" (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS d (user_id, id)"
	" WHERE s.user_id = d.user_id AND s.id = d.id AND s.expires_at <= $3",
	.nparams = 3,
	.types = {UUIDARRAYOID, UUIDARRAYOID, TIMESTAMPTZOID}
};

static StoreStatement postpone_sessions = {
	.sql = "UPDATE anon_auth.sessions s SET purge_from = s.expires_at FROM ROWS FROM"
	" (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS d (user_id, id)"
	" WHERE s.user_id = d.user_id AND s.id = d.id AND s.expires_at > $3",
	.nparams = 3,
	.types = {UUIDARRAYOID, UUIDARRAYOID, TIMESTAMPTZOID}
};

/*
 * Small tables, but for events: what is there is at most what has come since the
 * last purge.  Of the outbox the oldest are asked alone, since lifetimes are
 * much the same; events are found from the beginning of their table.
 */
static StoreStatement delete_before[] = {
	[PURGE_AUTHORIZATION_CODES] = {
		.sql = "DELETE FROM anon_auth.authorization_codes WHERE (route, code_hash) IN"
		" (SELECT route, code_hash FROM anon_auth.authorization_codes"
		" WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID}
	},
	[PURGE_ONE_TIME_CODES] = {
		.sql = "DELETE FROM anon_auth.one_time_codes WHERE (user_id, purpose, login_id_type) IN"
		" (SELECT user_id, purpose, login_id_type FROM anon_auth.one_time_codes"
		" WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID}
	},
	[PURGE_OUTBOX_MESSAGES] = {
		.sql = "DELETE FROM anon_auth.outbox WHERE (user_id, id) IN"
		" (SELECT user_id, id FROM (SELECT user_id, id, expires_at FROM anon_auth.outbox"
		" ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) o WHERE expires_at <= $1)",
		.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID}
	},
	[PURGE_REMOVED_DEVICE_KEYS] = {
		.sql = "DELETE FROM anon_auth.removed_device_keys WHERE (route, kid, thumbprint) IN"
		" (SELECT route, kid, thumbprint FROM anon_auth.removed_device_keys"
		" WHERE removed_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID}
	},
	[PURGE_EVENTS] = {
		.sql = "DELETE FROM anon_auth.events WHERE (user_id, id) IN"
		" (SELECT user_id, id FROM anon_auth.events"
		" WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nparams = 2,.types = {TIMESTAMPTZOID, INT4OID}
	}
};

ArrayType **
purge_batches(ArrayType *ids, int *count)
{
	int			size = placement_current()->users_per_lock;
	ArrayType **batches;
	Datum	   *items;
	int			nitems;
	int			first;

	deconstruct_array(ids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &items, NULL, &nitems);
	batches = palloc(sizeof(ArrayType *) * Max(nitems, 1));
	*count = 0;
	for (first = 0; first < nitems; first += Min(size, nitems - first))
		batches[(*count)++] = construct_array(&items[first], Min(size, nitems - first), UUIDOID,
											  UUID_LEN, false, TYPALIGN_CHAR);
	return batches;
}

int
purge_count(const ArrayType *ids)
{
	return ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
}

ArrayType *
purge_due_guests(bool with_key, TimestampTz before, int limit)
{
	Datum		params[2];

	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	return store_run_for_ids(with_key ? &due_keyed_guests : &due_keyless_guests, params);
}

ArrayType *
purge_lock_device_keys_locally(ArrayType *users)
{
	Datum		params[1] = {PointerGetDatum(users)};

	return store_run_for_ids(&lock_device_keys, params);
}

ArrayType *
purge_lock_guests(bool with_key, ArrayType *ids)
{
	Datum		params[2];

	params[0] = PointerGetDatum(ids);
	params[1] = BoolGetDatum(with_key);
	if (with_key)
		params[0] = PointerGetDatum(placement_current()->lock_device_keys(ids));
	if (purge_count(DatumGetArrayTypeP(params[0])) == 0)
		return construct_empty_array(UUIDOID);
	return store_run_for_ids(&lock_guests, params);
}

ArrayType *
purge_postpone_used(bool with_key, ArrayType *ids, TimestampTz since)
{
	Datum		params[2];

	params[0] = PointerGetDatum(ids);
	params[1] = TimestampTzGetDatum(since);
	return store_run_for_ids(with_key ? &postpone_seen : &postpone_live, params);
}

void
purge_postpone(ArrayType *ids, TimestampTz until)
{
	Datum		params[2];

	params[0] = PointerGetDatum(ids);
	params[1] = TimestampTzGetDatum(until);
	store_run(&postpone, params, NULL, NULL);
}

ArrayType *
purge_subtract(ArrayType *ids, ArrayType *others)
{
	Datum		params[2];

	if (purge_count(others) == 0)
		return ids;
	params[0] = PointerGetDatum(ids);
	params[1] = PointerGetDatum(others);
	return store_run_for_ids(&subtract, params);
}

uint64
purge_sessions_locally(TimestampTz now, int limit, bool *more)
{
	Datum		params[3];
	StoreRow	row;
	uint64		deleted;

	params[0] = TimestampTzGetDatum(now);
	params[1] = Int32GetDatum(limit);
	*more = false;
	if (store_run(&lock_due_sessions, params, NULL, &row) == 0 || row.nulls[0])
		return 0;
	*more = purge_count(DatumGetArrayTypeP(row.values[0])) == limit;
	params[0] = row.values[0];
	params[1] = row.values[1];
	params[2] = TimestampTzGetDatum(now);
	deleted = store_run(&delete_expired_sessions, params, NULL, NULL);
	store_run(&postpone_sessions, params, NULL, NULL);
	return deleted;
}

uint64
purge_rows_locally(PurgeKind kind, TimestampTz before, int limit)
{
	Datum		params[2];

	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	return store_run(&delete_before[kind], params, NULL, NULL);
}

uint64
purge_sessions(TimestampTz now, int limit, bool *more)
{
	return placement_current()->purge_sessions(now, limit, more);
}

uint64
purge_rows(PurgeKind kind, TimestampTz before, int limit)
{
	return placement_current()->purge_rows(kind, before, limit);
}
