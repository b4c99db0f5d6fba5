/*-------------------------------------------------------------------------
 *
 * device_keys.c
 *	  Statements on anon_auth.device_keys and removed_device_keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement find_key = {
	.sql = "SELECT user_id, alg, jwk, used_challenges"
	" FROM anon_auth.device_keys WHERE route = $1 AND kid = $2",
	.nparams = 2,
	.types = {UUIDOID, TEXTOID}
};

static StoreStatement insert_key = {
	.sql = "INSERT INTO anon_auth.device_keys"
	" (route, kid, user_id, alg, jwk, used_challenges, created_at, last_used_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (route, kid) DO NOTHING",
	.nparams = 7,
	.types = {UUIDOID, TEXTOID, UUIDOID, TEXTOID, JSONBOID, BYTEAOID, TIMESTAMPTZOID}
};

static StoreStatement replace_challenges = {
	.sql = "UPDATE anon_auth.device_keys SET used_challenges = $4, last_used_at = $5"
	" WHERE route = $1 AND kid = $2 AND used_challenges = $3 AND user_id = $6",
	.nparams = 6,
	.types = {UUIDOID, TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, UUIDOID}
};

static StoreStatement delete_key = {
	.sql = "DELETE FROM anon_auth.device_keys WHERE route = $1 AND kid = $2 AND user_id = $3"
	" RETURNING used_challenges",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, UUIDOID}
};

static StoreStatement insert_removed = {
	.sql = "INSERT INTO anon_auth.removed_device_keys (route, kid, used_challenges, removed_at)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT (route, kid) DO UPDATE"
	" SET used_challenges = excluded.used_challenges, removed_at = excluded.removed_at",
	.nparams = 4,
	.types = {UUIDOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID}
};

static StoreStatement find_removed = {
	.sql = "SELECT used_challenges FROM anon_auth.removed_device_keys"
	" WHERE route = $1 AND kid = $2",
	.nparams = 2,
	.types = {UUIDOID, TEXTOID}
};

pg_uuid_t
device_key_route(const char *kid)
{
	return store_route(kid, strlen(kid));
}

bool
device_key_find(const char *kid, DeviceKey *key)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[2];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	if (store_run(&find_key, params, NULL, &row) == 0)
		return false;
	key->user_id = store_uuid(&row, 0);
	key->alg = store_text(&row, 1);
	key->jwk = DatumGetJsonbP(row.values[2]);
	key->used_challenges = DatumGetByteaP(row.values[3]);
	return true;
}

bool
device_key_insert(const char *kid, const DeviceKey *key, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[7];

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	params[2] = UUIDPGetDatum(&key->user_id);
	params[3] = text_param(key->alg);
	params[4] = JsonbPGetDatum(key->jwk);
	params[5] = PointerGetDatum(key->used_challenges);
	params[6] = TimestampTzGetDatum(now);
	return store_run(&insert_key, params, NULL, NULL) > 0;
}

bool
device_key_replace_challenges(const char *kid, const DeviceKey *key,
							  bytea *used_challenges, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[6];

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	params[2] = PointerGetDatum(key->used_challenges);
	params[3] = PointerGetDatum(used_challenges);
	params[4] = TimestampTzGetDatum(now);
	params[5] = UUIDPGetDatum(&key->user_id);
	return store_run(&replace_challenges, params, NULL, NULL) > 0;
}

void
device_key_remove(const char *kid, const pg_uuid_t *user_id, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[4];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	params[2] = UUIDPGetDatum(user_id);
	if (store_run(&delete_key, params, NULL, &row) == 0)
		return;
	params[2] = row.values[0];
	params[3] = TimestampTzGetDatum(now);
	store_run(&insert_removed, params, NULL, NULL);
}

bytea *
removed_device_key_challenges(const char *kid)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[2];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	if (store_run_latest(&find_removed, params, &row) == 0)
		return NULL;
	return DatumGetByteaP(row.values[0]);
}
