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
#include "store/statement.h"
#include "store/store.h"

static StoreStatement find_routes = {
	.sql = "SELECT device_kid, login_id_routes FROM anon_auth.users WHERE id = ANY ($1)",
	.nparams = 1,
	.types = {UUIDARRAYOID}
};

static StoreStatement lock_device_keys = {
	.sql = "SELECT user_id FROM anon_auth.device_keys"
	" WHERE route = ANY ($2) AND user_id = ANY ($1) FOR UPDATE SKIP LOCKED",
	.nparams = 2,
	.types = {UUIDARRAYOID, UUIDARRAYOID}
};

static StoreStatement delete_device_keys = {
	.sql = "DELETE FROM anon_auth.device_keys WHERE route = ANY ($2) AND user_id = ANY ($1)",
	.nparams = 2,
	.types = {UUIDARRAYOID, UUIDARRAYOID}
};

static StoreStatement delete_login_ids = {
	.sql = "DELETE FROM anon_auth.login_ids WHERE route = ANY ($2) AND user_id = ANY ($1)",
	.nparams = 2,
	.types = {UUIDARRAYOID, UUIDARRAYOID}
};

static StoreStatement delete_users = {
	.sql = "DELETE FROM anon_auth.users WHERE id = ANY ($1)",
	.nparams = 1,
	.types = {UUIDARRAYOID}
};

/* Where rows of users are that are found by a route: uuid[]. */
typedef struct UserRoutes
{
	ArrayType  *device_keys;
	ArrayType  *login_ids;
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
append_uuid(ArrayBuildState **array, Datum uuid)
{
	*array = accumArrayResult(*array, uuid, false, UUIDOID, CurrentMemoryContext);
}

static ArrayType *
finish_uuids(ArrayBuildState *array)
{
	if (array == NULL)
		return construct_empty_array(UUIDOID);
	return DatumGetArrayTypeP(makeArrayResult(array, CurrentMemoryContext));
}

static UserRoutes
find_routes_of(ArrayType *ids)
{
	Datum		params[1] = {PointerGetDatum(ids)};
	ArrayBuildState *device_keys = NULL;
	ArrayBuildState *login_ids = NULL;
	UserRoutes	routes;
	int			nrows;
	StoreRow   *rows = store_run_rows(&find_routes, params, NULL, &nrows);
	int			i;

	for (i = 0; i < nrows; i++)
	{
		char	   *kid = store_text(&rows[i], 0);
		Datum	   *items;
		int			count;
		int			j;

		if (kid != NULL)
		{
			pg_uuid_t  *route = palloc(sizeof(pg_uuid_t));

			*route = device_keys_route(kid);
			append_uuid(&device_keys, UUIDPGetDatum(route));
		}
		deconstruct_array(DatumGetArrayTypeP(rows[i].values[1]), UUIDOID, UUID_LEN, false,
						  TYPALIGN_CHAR, &items, NULL, &count);
		for (j = 0; j < count; j++)
			append_uuid(&login_ids, items[j]);
	}
	routes.device_keys = finish_uuids(device_keys);
	routes.login_ids = finish_uuids(login_ids);
	return routes;
}

ArrayType *
citus_users_lock_device_keys(ArrayType *users)
{
	UserRoutes	routes = find_routes_of(users);
	Datum		params[2];

	params[0] = PointerGetDatum(users);
	params[1] = PointerGetDatum(routes.device_keys);
	return store_run_for_ids(&lock_device_keys, params);
}

/*
 * Foreign keys of the shards delete the user's other rows: a setting of this session,
 * which turns them off where this database has all rows, does not reach the shards.
 * Nodes look at what is committed by then, whatever the snapshot of this transaction.
 */
void
citus_users_delete(ArrayType *users)
{
	UserRoutes	routes = find_routes_of(users);
	Datum		params[2];

	params[0] = PointerGetDatum(users);
	params[1] = PointerGetDatum(routes.device_keys);
	store_run(&delete_device_keys, params, NULL, NULL);
	params[1] = PointerGetDatum(routes.login_ids);
	store_run(&delete_login_ids, params, NULL, NULL);
	store_run(&delete_users, params, NULL, NULL);
}
