/*-------------------------------------------------------------------------
 *
 * citus_users.c
 *	  The ids of users, and deleting users, on a Citus cluster.
 *
 * Users are distributed by their id.  A device key and a login ID are distributed
 * by their route, a hash of what a client sends, so that a login finds them on one
 * shard.  Statements on them name the route, which the user's row leads to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "citus/citus_users.h"
#include "common/hashfn.h"
#include "store/device_keys.h"
#include "store/statement.h"
#include "store/user_deletion.h"

/* What leads from a user to rows that are distributed by a route. */
#define ROUTE_COLUMNS(COLUMN) \
	COLUMN(TEXT, device_kid) \
	COLUMN(BOOL, is_anonymous) \
	COLUMN(UUID_ARRAY, login_id_routes) \
	COLUMN(UUID_ARRAY, device_key_routes) \
	COLUMN(UUID_ARRAY, passkey_routes)

typedef struct RouteSource
{
	ROUTE_COLUMNS(RECORD_FIELD)
} RouteSource;

RECORD_TYPE(route_source, RouteSource, ROUTE_COLUMNS);

static Statement find_routes = {
	.sql = "SELECT {route_source} FROM anon_auth.users WHERE id = ANY (:users)",
	.row = &route_source_record
};

static Statement lock_device_keys = {
	.sql = "SELECT user_id AS id FROM anon_auth.device_keys"
	" WHERE route = ANY (:routes) AND user_id = ANY (:users) FOR UPDATE SKIP LOCKED"
};

static Statement delete_device_keys = {
	.sql = "DELETE FROM anon_auth.device_keys WHERE route = ANY (:routes) AND user_id = ANY (:users)"
};

static Statement delete_login_ids = {
	.sql = "DELETE FROM anon_auth.login_ids WHERE route = ANY (:routes) AND user_id = ANY (:users)"
};

static Statement delete_passkeys = {
	.sql = "DELETE FROM anon_auth.passkeys WHERE route = ANY (:routes) AND user_id = ANY (:users)"
};

/* Messages about the users, and codes for their addresses with their messages. */
static Statement delete_messages = {
	.sql = "DELETE FROM anon_auth.outbox WHERE route = ANY (:routes)"
};

static Statement delete_address_codes = {
	.sql = "DELETE FROM anon_auth.address_codes WHERE route = ANY (:routes)"
};

/*
 * On all shards: an account can have any number of removed keys, and accounts are
 * rarely deleted.
 */
static Statement forget_removed_keys = {.sql = USER_DELETION_FORGET_KEYS};

static Statement delete_users = {
	.sql = "DELETE FROM anon_auth.users WHERE id = ANY (:users)"
};

/* Routes of rows that belong to users: uuid[]. */
typedef struct UserRoutes
{
	ArrayType  *device_keys;
	ArrayType  *login_ids;
	ArrayType  *passkeys;
	bool		have_removed_keys;	/* only accounts have them */
} UserRoutes;

/*
 * Citus divides the range of PostgreSQL's hash function evenly among the shards.
 * Two rows whose hashes have the same first byte are on one shard if the number of
 * shards is a power of two up to 256, and mostly so for other numbers below that.
 */
static unsigned
first_byte_of_hash(const pg_uuid_t *id)
{
	return DatumGetUInt32(hash_any(id->data, UUID_LEN)) >> 24;
}

pg_uuid_t
citus_users_new_id(const pg_uuid_t *route, TimestampTz now)
{
	pg_uuid_t	id = uuid_new_v7(now);
	uint32		random;

	if (route == NULL)
		return id;
	memcpy(&random, id.data + UUID_LEN - sizeof(random), sizeof(random));
	while (first_byte_of_hash(&id) != first_byte_of_hash(route))
	{
		random++;
		memcpy(id.data + UUID_LEN - sizeof(random), &random, sizeof(random));
	}
	return id;
}

static void
append_uuids(ArrayBuildState **array, const Datum *uuids, int count)
{
	int			i;

	for (i = 0; i < count; i++)
		*array = accumArrayResult(*array, uuids[i], false, UUIDOID, CurrentMemoryContext);
}

static ArrayType *
finish_uuids(ArrayBuildState *array)
{
	if (array == NULL)
		return construct_empty_array(UUIDOID);
	return DatumGetArrayTypeP(makeArrayResult(array, CurrentMemoryContext));
}

/* Citus sends a statement to all shards if the list of its routes is empty. */
static bool
is_empty(ArrayType *uuids)
{
	return ArrayGetNItems(ARR_NDIM(uuids), ARR_DIMS(uuids)) == 0;
}

static UserRoutes
find_routes_of(ArrayType *users)
{
	ArrayBuildState *device_keys = NULL;
	ArrayBuildState *login_ids = NULL;
	ArrayBuildState *passkeys = NULL;
	UserRoutes	routes;
	int			count;
	RouteSource *sources = statement_fetch_all(&find_routes, PARAMS(param_uuids("users", users)),
											   &count);
	int			i;

	routes.have_removed_keys = false;
	for (i = 0; i < count; i++)
	{
		Datum	   *items;
		int			nitems;

		routes.have_removed_keys |= !sources[i].is_anonymous;
		if (sources[i].device_kid != NULL)
		{
			pg_uuid_t	route = device_keys_route(sources[i].device_kid);
			Datum		item = UUIDPGetDatum(&route);

			append_uuids(&device_keys, &item, 1);
		}
		deconstruct_array(sources[i].device_key_routes, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
						  &items, NULL, &nitems);
		append_uuids(&device_keys, items, nitems);
		deconstruct_array(sources[i].login_id_routes, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
						  &items, NULL, &nitems);
		append_uuids(&login_ids, items, nitems);
		deconstruct_array(sources[i].passkey_routes, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
						  &items, NULL, &nitems);
		append_uuids(&passkeys, items, nitems);
	}
	routes.device_keys = finish_uuids(device_keys);
	routes.login_ids = finish_uuids(login_ids);
	routes.passkeys = finish_uuids(passkeys);
	return routes;
}

ArrayType *
citus_users_lock_device_keys(ArrayType *users)
{
	ArrayType  *routes = find_routes_of(users).device_keys;

	if (is_empty(routes))
		return routes;
	return statement_fetch_ids(&lock_device_keys, PARAMS(param_uuids("users", users),
														 param_uuids("routes", routes)));
}

/*
 * Foreign keys of the shards delete the user's other rows: a setting of this session,
 * which turns them off where this database has all rows, does not reach the shards.
 * Nodes look at rows that are committed by then, whatever the snapshot of this
 * transaction.
 */
void
citus_users_delete(ArrayType *users)
{
	UserRoutes	routes = find_routes_of(users);

	if (!is_empty(routes.device_keys))
		statement_run(&delete_device_keys,
					  PARAMS(param_uuids("users", users), param_uuids("routes", routes.device_keys)));
	if (routes.have_removed_keys)
		statement_run(&forget_removed_keys, PARAMS(param_uuids("users", users)));
	statement_run(&delete_messages, PARAMS(param_uuids("routes", users)));
	if (!is_empty(routes.login_ids))
	{
		statement_run(&delete_address_codes, PARAMS(param_uuids("routes", routes.login_ids)));
		statement_run(&delete_messages, PARAMS(param_uuids("routes", routes.login_ids)));
		statement_run(&delete_login_ids,
					  PARAMS(param_uuids("users", users), param_uuids("routes", routes.login_ids)));
	}
	if (!is_empty(routes.passkeys))
		statement_run(&delete_passkeys,
					  PARAMS(param_uuids("users", users), param_uuids("routes", routes.passkeys)));
	statement_run(&delete_users, PARAMS(param_uuids("users", users)));
}
