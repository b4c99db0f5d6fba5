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

#define KEY_COLUMNS	"thumbprint, user_id, alg, jwk, used_challenges"

static StoreStatement find_key = {
	.sql = "SELECT " KEY_COLUMNS " FROM anon_auth.device_keys"
	" WHERE route = $1 AND kid = $2 AND thumbprint = $3",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, TEXTOID}
};

static StoreStatement find_keys_of_kid = {
	.sql = "SELECT " KEY_COLUMNS " FROM anon_auth.device_keys"
	" WHERE route = $1 AND kid = $2 ORDER BY created_at, thumbprint"
	" LIMIT " CppAsString2(DEVICE_KEYS_OF_KID),
	.nparams = 2,
	.types = {UUIDOID, TEXTOID}
};

static StoreStatement insert_key = {
	.sql = "INSERT INTO anon_auth.device_keys"
	" (route, kid, thumbprint, user_id, alg, jwk, used_challenges, created_at, last_used_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (route, kid, thumbprint) DO NOTHING",
	.nparams = 8,
	.types = {UUIDOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, JSONBOID, BYTEAOID, TIMESTAMPTZOID}
};

static StoreStatement replace_challenges = {
	.sql = "UPDATE anon_auth.device_keys SET used_challenges = $5, last_used_at = $6"
	" WHERE route = $1 AND kid = $2 AND thumbprint = $3 AND used_challenges = $4"
	" AND user_id = $7",
	.nparams = 7,
	.types = {UUIDOID, TEXTOID, TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, UUIDOID}
};

static StoreStatement delete_key = {
	.sql = "DELETE FROM anon_auth.device_keys WHERE route = $1 AND kid = $2 AND user_id = $3"
	" RETURNING thumbprint, used_challenges",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, UUIDOID}
};

static StoreStatement insert_removed = {
	.sql = "INSERT INTO anon_auth.removed_device_keys"
	" (route, kid, thumbprint, used_challenges, removed_at)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (route, kid, thumbprint) DO UPDATE"
	" SET used_challenges = excluded.used_challenges, removed_at = excluded.removed_at",
	.nparams = 5,
	.types = {UUIDOID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID}
};

static StoreStatement find_removed = {
	.sql = "SELECT used_challenges FROM anon_auth.removed_device_keys"
	" WHERE route = $1 AND kid = $2 AND thumbprint = $3",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, TEXTOID}
};

pg_uuid_t
device_key_route(const char *kid)
{
	return store_route(kid, strlen(kid));
}

static void
fill_key(const StoreRow *row, const char *kid, DeviceKey *key)
{
	key->kid = kid;
	key->thumbprint = store_text(row, 0);
	key->user_id = store_uuid(row, 1);
	key->alg = store_text(row, 2);
	key->jwk = DatumGetJsonbP(row->values[3]);
	key->used_challenges = DatumGetByteaP(row->values[4]);
}

bool
device_key_find(const char *kid, const char *thumbprint, DeviceKey *key)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	params[2] = text_param(thumbprint);
	if (store_run(&find_key, params, NULL, &row) == 0)
		return false;
	fill_key(&row, kid, key);
	return true;
}

int
device_keys_find(const char *kid, DeviceKey keys[DEVICE_KEYS_OF_KID])
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[2];
	StoreRow   *rows;
	int			count;
	int			i;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	rows = store_run_rows(&find_keys_of_kid, params, NULL, &count);
	for (i = 0; i < count; i++)
		fill_key(&rows[i], kid, &keys[i]);
	return count;
}

bool
device_key_insert(const DeviceKey *key, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(key->kid);
	Datum		params[8];

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(key->kid);
	params[2] = text_param(key->thumbprint);
	params[3] = UUIDPGetDatum(&key->user_id);
	params[4] = text_param(key->alg);
	params[5] = JsonbPGetDatum(key->jwk);
	params[6] = PointerGetDatum(key->used_challenges);
	params[7] = TimestampTzGetDatum(now);
	return store_run(&insert_key, params, NULL, NULL) > 0;
}

bool
device_key_replace_challenges(const DeviceKey *key, bytea *used_challenges, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(key->kid);
	Datum		params[7];

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(key->kid);
	params[2] = text_param(key->thumbprint);
	params[3] = PointerGetDatum(key->used_challenges);
	params[4] = PointerGetDatum(used_challenges);
	params[5] = TimestampTzGetDatum(now);
	params[6] = UUIDPGetDatum(&key->user_id);
	return store_run(&replace_challenges, params, NULL, NULL) > 0;
}

void
device_key_remove(const char *kid, const pg_uuid_t *user_id, TimestampTz now)
{
	pg_uuid_t	route = device_key_route(kid);
	Datum		params[5];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(kid);
	params[2] = UUIDPGetDatum(user_id);
	if (store_run(&delete_key, params, NULL, &row) == 0)
		return;
	params[2] = row.values[0];
	params[3] = row.values[1];
	params[4] = TimestampTzGetDatum(now);
	store_run(&insert_removed, params, NULL, NULL);
}

bytea *
removed_device_key_challenges(const DeviceKey *key)
{
	pg_uuid_t	route = device_key_route(key->kid);
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(key->kid);
	params[2] = text_param(key->thumbprint);
	if (store_run_latest(&find_removed, params, &row) == 0)
		return NULL;
	return DatumGetByteaP(row.values[0]);
}
