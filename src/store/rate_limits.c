/*-------------------------------------------------------------------------
 *
 * rate_limits.c
 *	  Statements on anon_auth.rate_limits and lockouts: buckets, known by a
 *	  hash of their names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

/*
 * $2 now, $3 the emission interval, $4 the latest theoretical arrival time
 * that conforms: now plus the tolerance.  One statement, so that concurrent
 * takers of a bucket cannot both take its last one.
 */
static StoreStatement take = {
	.sql = "INSERT INTO anon_auth.rate_limits AS r (bucket, theoretical_arrival_at)"
	" VALUES ($1, $3)"
	" ON CONFLICT (bucket) DO UPDATE SET theoretical_arrival_at ="
	" GREATEST(r.theoretical_arrival_at, $2) + ($3 - $2)"
	" WHERE GREATEST(r.theoretical_arrival_at, $2) + ($3 - $2) <= $4",
	.nparams = 4,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static StoreStatement find_arrival = {
	.sql = "SELECT theoretical_arrival_at FROM anon_auth.rate_limits WHERE bucket = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement find_lock = {
	.sql = "SELECT locked_until FROM anon_auth.lockouts WHERE bucket = $1 AND locked_until > $2",
	.nparams = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement count_failure = {
	.sql = "INSERT INTO anon_auth.lockouts AS l (bucket, failed_attempts, last_failed_at)"
	" VALUES ($1, 1, $3)"
	" ON CONFLICT (bucket) DO UPDATE SET last_failed_at = $3, failed_attempts ="
	" CASE WHEN l.last_failed_at > $2 THEN l.failed_attempts + 1 ELSE 1 END"
	" RETURNING failed_attempts",
	.nparams = 3,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static StoreStatement lock = {
	.sql = "UPDATE anon_auth.lockouts SET locked_until = $2 WHERE bucket = $1",
	.nparams = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement clear = {
	.sql = "DELETE FROM anon_auth.lockouts WHERE bucket = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static pg_uuid_t
bucket_of(const char *name)
{
	return store_route(name, strlen(name));
}

bool
rate_limit_take(const char *name, int burst, int period_seconds, TimestampTz now,
				TimestampTz *conforms_at)
{
	int64		interval = period_seconds * USECS_PER_SEC / burst;
	int64		tolerance = interval * burst;
	pg_uuid_t	bucket = bucket_of(name);
	Datum		params[4];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&bucket);
	params[1] = TimestampTzGetDatum(now);
	params[2] = TimestampTzGetDatum(now + interval);
	params[3] = TimestampTzGetDatum(now + tolerance);
	if (store_run(&take, params, NULL, NULL) > 0)
		return true;
	*conforms_at = now;
	if (store_run(&find_arrival, params, NULL, &row) > 0)
		*conforms_at = DatumGetTimestampTz(row.values[0]) + interval - tolerance;
	return false;
}

TimestampTz
lockout_find(const char *name, TimestampTz now)
{
	pg_uuid_t	bucket = bucket_of(name);
	Datum		params[2];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&bucket);
	params[1] = TimestampTzGetDatum(now);
	return store_run(&find_lock, params, NULL, &row) > 0 ? DatumGetTimestampTz(row.values[0]) : 0;
}

int
lockout_count(const char *name, TimestampTz since, TimestampTz now)
{
	pg_uuid_t	bucket = bucket_of(name);
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&bucket);
	params[1] = TimestampTzGetDatum(since);
	params[2] = TimestampTzGetDatum(now);
	store_run(&count_failure, params, NULL, &row);
	return DatumGetInt32(row.values[0]);
}

void
lockout_lock(const char *name, TimestampTz until)
{
	pg_uuid_t	bucket = bucket_of(name);
	Datum		params[2];

	params[0] = UUIDPGetDatum(&bucket);
	params[1] = TimestampTzGetDatum(until);
	store_run(&lock, params, NULL, NULL);
}

void
lockout_clear(const char *name)
{
	pg_uuid_t	bucket = bucket_of(name);
	Datum		params[1];

	params[0] = UUIDPGetDatum(&bucket);
	store_run(&clear, params, NULL, NULL);
}
