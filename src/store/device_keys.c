/*-------------------------------------------------------------------------
 *
 * device_keys.c
 *	  Statements on anon_auth.device_keys and removed_device_keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/device_keys.h"
#include "store/route.h"
#include "store/statement.h"

RECORD_TYPE(device_key, DeviceKey, DEVICE_KEY_COLUMNS);
RECORD_TYPE(device_key_row, DeviceKey, DEVICE_KEY_ROW_COLUMNS);

static Statement find_key = {
	.sql = "SELECT {device_key} FROM anon_auth.device_keys"
	" WHERE route = :route AND kid = :kid AND thumbprint = :thumbprint",
	.row = &device_key_record,
	.key_table = "device_keys"
};

/* Without a public key in the request, its kid and its signature tell which key it is. */
static Statement find_keys_of_kid = {
	.sql = "SELECT {device_key} FROM anon_auth.device_keys"
	" WHERE route = :route AND kid = :kid ORDER BY created_at, thumbprint"
	" LIMIT " CppAsString2(DEVICE_KEYS_OF_KID),
	.row = &device_key_record
};

/* The routes in the user's row name the shards. */
static Statement find_keys_of_account = {
	.sql = "SELECT {device_key_row} FROM anon_auth.device_keys"
	" WHERE route = ANY (:routes) AND user_id = :user_id ORDER BY created_at, kid",
	.row = &device_key_row_record
};

/* The unique key decides between two devices that sign up with one key at once. */
static Statement insert_key = {
	.sql = "INSERT INTO anon_auth.device_keys (route, {device_key}, created_at, last_used_at)"
	" VALUES (:route, {:device_key}, :now, :now) ON CONFLICT (route, kid, thumbprint) DO NOTHING"
};

/* The comparison with the old window makes sure that no challenge is forgotten. */
static Statement replace_challenges = {
	.sql = "UPDATE anon_auth.device_keys SET used_challenges = :new_challenges, last_used_at = :now"
	" WHERE route = :route AND kid = :kid AND thumbprint = :thumbprint"
	" AND used_challenges = :used_challenges AND user_id = :user_id AND of_account = :of_account"
};

static Statement describe_key = {
	.sql = "UPDATE anon_auth.device_keys SET name = coalesce(:name, name),"
	" device_info = coalesce(:device_info, device_info)"
	" WHERE route = :route AND kid = :kid AND user_id = :user_id"
};

static Statement give_to_account = {
	.sql = "UPDATE anon_auth.device_keys SET of_account = true, device_info = :device_info"
	" WHERE route = :route AND kid = :kid AND user_id = :user_id"
};

/* A key as it is kept when it was removed. */
#define REMOVED_KEY_COLUMNS(COLUMN) \
	COLUMN(TEXT, thumbprint) \
	COLUMN(BYTEA, used_challenges) \
	COLUMN(TEXT, alg) \
	COLUMN(JSONB, jwk)

typedef struct RemovedKey
{
	REMOVED_KEY_COLUMNS(RECORD_FIELD)
} RemovedKey;

RECORD_TYPE(removed_key, RemovedKey, REMOVED_KEY_COLUMNS);
RECORD_TYPE(account_key, AccountKey, ACCOUNT_KEY_COLUMNS);

static Statement delete_key = {
	.sql = "DELETE FROM anon_auth.device_keys"
	" WHERE route = :route AND kid = :kid AND user_id = :user_id RETURNING {removed_key}",
	.row = &removed_key_record
};

/*
 * A key may be removed more than once; its last window contains the earlier ones.  The
 * deletion of a later guest does not make the key forget an account.
 */
static Statement insert_removed_key = {
	.sql = "INSERT INTO anon_auth.removed_device_keys AS r"
	" (route, kid, {removed_key}, user_id, removed_at)"
	" VALUES (:route, :kid, {:removed_key}, :account, :now)"
	" ON CONFLICT (route, kid, thumbprint) DO UPDATE"
	" SET used_challenges = excluded.used_challenges, removed_at = excluded.removed_at,"
	" user_id = COALESCE(excluded.user_id, r.user_id),"
	" alg = COALESCE(excluded.alg, r.alg), jwk = COALESCE(excluded.jwk, r.jwk)"
};

static Statement find_removed_key = {
	.sql = "SELECT {removed_key} FROM anon_auth.removed_device_keys"
	" WHERE route = :route AND kid = :kid AND thumbprint = :thumbprint",
	.row = &removed_key_record
};

static Statement find_account_keys = {
	.sql = "SELECT {account_key} FROM anon_auth.removed_device_keys"
	" WHERE route = :route AND kid = :kid AND user_id IS NOT NULL ORDER BY removed_at, thumbprint"
	" LIMIT " CppAsString2(DEVICE_KEYS_OF_KID),
	.row = &account_key_record
};

pg_uuid_t
device_keys_route(const char *kid)
{
	return route_of_text(kid);
}

bool
device_keys_find(const char *kid, const char *thumbprint, DeviceKey *key)
{
	pg_uuid_t	route = device_keys_route(kid);

	return statement_fetch(&find_key,
						   PARAMS(param_uuid("route", &route), param_text("kid", kid),
								  param_text("thumbprint", thumbprint)),
						   key);
}

DeviceKey *
device_keys_find_by_kid(const char *kid, int *count)
{
	pg_uuid_t	route = device_keys_route(kid);

	return statement_fetch_all(&find_keys_of_kid,
							   PARAMS(param_uuid("route", &route), param_text("kid", kid)), count);
}

DeviceKey *
device_keys_of(const User *user, int *count)
{
	ArrayType  *routes = user->device_key_routes;

	/* Citus sends a statement to all shards if the list of its routes is empty. */
	*count = 0;
	if (ArrayGetNItems(ARR_NDIM(routes), ARR_DIMS(routes)) == 0)
		return NULL;
	return statement_fetch_all(&find_keys_of_account,
							   PARAMS(param_uuids("routes", routes),
									  param_uuid("user_id", &user->id)),
							   count);
}

bool
device_keys_insert(const DeviceKey *key, TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(key->kid);

	return statement_run(&insert_key,
						 PARAMS(param_uuid("route", &route),
								param_record(&device_key_record, key),
								param_timestamp("now", now))) > 0;
}

bool
device_keys_replace_challenges(const DeviceKey *key, bytea *used_challenges, TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(key->kid);

	return statement_run(&replace_challenges,
						 PARAMS(param_uuid("route", &route),
								param_text("kid", key->kid),
								param_text("thumbprint", key->thumbprint),
								param_uuid("user_id", &key->user_id),
								param_bool("of_account", key->of_account),
								param_bytea("used_challenges", key->used_challenges),
								param_bytea("new_challenges", used_challenges),
								param_timestamp("now", now))) > 0;
}

void
device_keys_describe(const char *kid, const pg_uuid_t *user_id, const char *name,
					 Jsonb *device_info)
{
	pg_uuid_t	route = device_keys_route(kid);

	statement_run(&describe_key,
				  PARAMS(param_uuid("route", &route), param_text("kid", kid),
						 param_uuid("user_id", user_id), param_text("name", name),
						 param_jsonb("device_info", device_info)));
}

void
device_keys_give_to_account(const char *kid, const pg_uuid_t *user_id, Jsonb *device_info)
{
	pg_uuid_t	route = device_keys_route(kid);

	statement_run(&give_to_account,
				  PARAMS(param_uuid("route", &route), param_text("kid", kid),
						 param_uuid("user_id", user_id),
						 param_jsonb("device_info", device_info)));
}

void
device_keys_remove(const char *kid, const pg_uuid_t *user_id, const pg_uuid_t *account,
				   TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(kid);
	RemovedKey	removed;

	if (!statement_fetch(&delete_key,
						 PARAMS(param_uuid("route", &route), param_text("kid", kid),
								param_uuid("user_id", user_id)),
						 &removed))
		return;
	if (account == NULL)
	{
		removed.alg = NULL;
		removed.jwk = NULL;
	}
	statement_run(&insert_removed_key,
				  PARAMS(param_uuid("route", &route), param_text("kid", kid),
						 param_record(&removed_key_record, &removed),
						 param_uuid("account", account), param_timestamp("now", now)));
}

bytea *
device_keys_removed_challenges(const DeviceKey *key)
{
	pg_uuid_t	route = device_keys_route(key->kid);
	RemovedKey	removed;

	if (!statement_fetch_latest(&find_removed_key,
								PARAMS(param_uuid("route", &route), param_text("kid", key->kid),
									   param_text("thumbprint", key->thumbprint)),
								&removed))
		return NULL;
	return removed.used_challenges;
}

AccountKey *
device_keys_find_removed(const char *kid, int *count)
{
	pg_uuid_t	route = device_keys_route(kid);

	return statement_fetch_all(&find_account_keys,
							   PARAMS(param_uuid("route", &route), param_text("kid", kid)), count);
}
