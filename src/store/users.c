/*-------------------------------------------------------------------------
 *
 * users.c
 *	  Statements on anon_auth.users, and the making of ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "catalog/pg_type.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/array.h"

/* last_seen_at is not written again before this has passed at a refresh. */
#define TOUCH_INTERVAL	(INT64CONST(3600) * USECS_PER_SEC)

#define USER_COLUMNS \
	"id, is_anonymous, is_disabled, is_verified, created_at, updated_at," \
	" last_seen_at, device_kid, login_id_routes, standard_attributes, custom_attributes"

static StoreStatement insert_guest = {
	.sql = "INSERT INTO anon_auth.users"
	" (id, is_anonymous, created_at, updated_at, last_seen_at, device_kid, purge_from)"
	" VALUES ($1, true, $2, $2, $2, $3, $4)",
	.nparams = 4,
	.types = {UUIDOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement find_user = {
	.sql = "SELECT " USER_COLUMNS " FROM anon_auth.users WHERE id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement log_in = {
	.sql = "UPDATE anon_auth.users SET last_seen_at = $2"
	" WHERE id = $1 AND NOT is_disabled RETURNING " USER_COLUMNS,
	.nparams = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement lock_user = {
	.sql = "SELECT 1 FROM anon_auth.users WHERE id = $1 FOR NO KEY UPDATE",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement keep_user = {
	.sql = "SELECT 1 FROM anon_auth.users WHERE id = $1 FOR KEY SHARE",
	.nparams = 1,
	.types = {UUIDOID}
};

/* Waits for rows that are being made to refer to it, and keeps others out. */
static StoreStatement lock_guest = {
	.sql = "SELECT " USER_COLUMNS " FROM anon_auth.users"
	" WHERE id = $1 AND is_anonymous AND NOT is_disabled FOR UPDATE",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement lock_for_deletion = {
	.sql = "SELECT " USER_COLUMNS " FROM anon_auth.users WHERE id = $1 FOR UPDATE",
	.nparams = 1,
	.types = {UUIDOID}
};

/*
 * A refresh holds its session's row here: waiting could be a deadlock.  id = $1
 * is said twice, here and below, to name the shard where there are several.
 */
static StoreStatement touch = {
	.sql = "UPDATE anon_auth.users SET last_seen_at = $2 WHERE id = $1 AND id ="
	" (SELECT id FROM anon_auth.users WHERE id = $1 AND last_seen_at < $3"
	" FOR NO KEY UPDATE SKIP LOCKED)",
	.nparams = 3,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* Not to wait: a session's row may be held here, and a guest may log in. */
static StoreStatement orphan = {
	.sql = "UPDATE anon_auth.users SET purge_from = $2 WHERE id = $1 AND id ="
	" (SELECT u.id FROM anon_auth.users u WHERE u.id = $1 AND u.is_anonymous"
	" AND u.device_kid IS NULL AND u.purge_from > $2 AND NOT EXISTS"
	" (SELECT 1 FROM anon_auth.sessions s WHERE s.user_id = $1 AND s.expires_at > $2)"
	" FOR NO KEY UPDATE SKIP LOCKED)",
	.nparams = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement promote = {
	.sql = "UPDATE anon_auth.users SET is_anonymous = false, device_kid = NULL,"
	" login_id_routes = $2, standard_attributes = standard_attributes || $3,"
	" updated_at = $4, last_seen_at = $4"
	" WHERE id = $1 AND is_anonymous AND NOT is_disabled RETURNING " USER_COLUMNS,
	.nparams = 4,
	.types = {UUIDOID, UUIDARRAYOID, JSONBOID, TIMESTAMPTZOID}
};

/* Always, for a login with an older snapshot to see that there was a change. */
static StoreStatement set_verified = {
	.sql = "UPDATE anon_auth.users SET is_verified = true, updated_at = $2 WHERE id = $1",
	.nparams = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement set_disabled = {
	.sql = "UPDATE anon_auth.users SET is_disabled = $2, updated_at = $3"
	" WHERE id = $1 AND is_disabled <> $2",
	.nparams = 3,
	.types = {UUIDOID, BOOLOID, TIMESTAMPTZOID}
};

static void
fill_user(User *user, const StoreRow *row)
{
	user->id = store_uuid(row, 0);
	user->is_anonymous = DatumGetBool(row->values[1]);
	user->is_disabled = DatumGetBool(row->values[2]);
	user->is_verified = DatumGetBool(row->values[3]);
	user->created_at = DatumGetTimestampTz(row->values[4]);
	user->updated_at = DatumGetTimestampTz(row->values[5]);
	user->last_seen_at = DatumGetTimestampTz(row->values[6]);
	user->device_kid = store_text(row, 7);
	user->login_id_routes = row->values[8];
	user->standard_attributes = DatumGetJsonbP(row->values[9]);
	user->custom_attributes = DatumGetJsonbP(row->values[10]);
}

void
user_insert_guest(const pg_uuid_t *id, const char *device_kid, TimestampTz purge_from,
				  TimestampTz now)
{
	Datum		params[4];
	bool		nulls[4] = {false, false, device_kid == NULL, false};

	params[0] = UUIDPGetDatum(id);
	params[1] = TimestampTzGetDatum(now);
	params[2] = text_param(device_kid);
	params[3] = TimestampTzGetDatum(purge_from);
	store_run(&insert_guest, params, nulls, NULL);
}

bool
user_lock(const pg_uuid_t *id)
{
	Datum		params[1];

	params[0] = UUIDPGetDatum(id);
	return store_run(&lock_user, params, NULL, NULL) > 0;
}

bool
user_keep(const pg_uuid_t *id)
{
	Datum		params[1] = {UUIDPGetDatum(id)};

	return store_run(&keep_user, params, NULL, NULL) > 0;
}

static bool
find_by(StoreStatement *statement, const pg_uuid_t *id, User *user)
{
	Datum		params[1];
	StoreRow	row;

	params[0] = UUIDPGetDatum(id);
	if (store_run(statement, params, NULL, &row) == 0)
		return false;
	fill_user(user, &row);
	return true;
}

bool
user_find(const pg_uuid_t *id, User *user)
{
	return find_by(&find_user, id, user);
}

bool
user_lock_guest(const pg_uuid_t *id, User *user)
{
	return find_by(&lock_guest, id, user);
}

bool
user_lock_for_deletion(const pg_uuid_t *id, User *user)
{
	return find_by(&lock_for_deletion, id, user);
}

bool
user_log_in(const pg_uuid_t *id, TimestampTz now, User *user)
{
	Datum		params[2];
	StoreRow	row;

	params[0] = UUIDPGetDatum(id);
	params[1] = TimestampTzGetDatum(now);
	if (store_run(&log_in, params, NULL, &row) == 0)
		return false;
	fill_user(user, &row);
	return true;
}

void
user_touch(const User *user, TimestampTz now)
{
	Datum		params[3];

	if (user->last_seen_at >= now - TOUCH_INTERVAL)
		return;
	params[0] = UUIDPGetDatum(&user->id);
	params[1] = TimestampTzGetDatum(now);
	params[2] = TimestampTzGetDatum(now - TOUCH_INTERVAL);
	store_run(&touch, params, NULL, NULL);
}

void
user_orphaned(const pg_uuid_t *id, TimestampTz now)
{
	Datum		params[2];

	params[0] = UUIDPGetDatum(id);
	params[1] = TimestampTzGetDatum(now);
	store_run(&orphan, params, NULL, NULL);
}

bool
user_promote(const pg_uuid_t *id, Datum login_id_routes,
			 Jsonb *standard_attributes, TimestampTz now, User *user)
{
	Datum		params[4];
	StoreRow	row;

	params[0] = UUIDPGetDatum(id);
	params[1] = login_id_routes;
	params[2] = JsonbPGetDatum(standard_attributes);
	params[3] = TimestampTzGetDatum(now);
	if (store_run(&promote, params, NULL, &row) == 0)
		return false;
	fill_user(user, &row);
	return true;
}

void
user_set_verified(const pg_uuid_t *id, TimestampTz now)
{
	Datum		params[2];

	params[0] = UUIDPGetDatum(id);
	params[1] = TimestampTzGetDatum(now);
	store_run(&set_verified, params, NULL, NULL);
}

bool
user_set_disabled(const pg_uuid_t *id, bool disabled, TimestampTz now)
{
	Datum		params[3];

	params[0] = UUIDPGetDatum(id);
	params[1] = BoolGetDatum(disabled);
	params[2] = TimestampTzGetDatum(now);
	return store_run(&set_disabled, params, NULL, NULL) > 0;
}

pg_uuid_t
user_new_id(const pg_uuid_t *route, TimestampTz now)
{
	return placement_current()->new_user_id(route, now);
}
