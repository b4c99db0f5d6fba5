/*-------------------------------------------------------------------------
 *
 * due_guests.c
 *	  Guests that purge() deletes.
 *
 * Candidates come from the beginning of an index on purge_from, so that no statement
 * reads users that are not due.  purge_from is only an estimate: a refresh does not
 * write it.  Therefore candidates are locked and checked again before they are deleted.
 * Candidates that are in use get a later purge_from.  A candidate that another
 * transaction holds counts as in use and is skipped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/due_guests.h"
#include "store/placement.h"
#include "store/statement.h"

/*
 * purge_from is not later than the expiry of the guest's last session, after which
 * nobody can log in as the guest.  The condition repeats the predicate of the index,
 * which is partial.
 */
static Statement find_keyless_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE is_anonymous AND device_kid IS NULL AND passkey_routes = '{}'"
	" AND purge_from <= :before"
	" ORDER BY purge_from LIMIT :limit",
	.custom_plans = true
};

/*
 * purge_from is not later than the last use of the guest.  The caller subtracts
 * settings.guest_retention from the current time to get :before.
 */
static Statement find_keyed_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE is_anonymous AND (device_kid IS NOT NULL OR passkey_routes <> '{}')"
	" AND purge_from < :before"
	" ORDER BY purge_from LIMIT :limit",
	.custom_plans = true
};

static Statement lock_device_keys = {
	.sql = "SELECT user_id AS id FROM anon_auth.device_keys WHERE user_id = ANY (:users)"
	" ORDER BY user_id FOR UPDATE SKIP LOCKED"
};

/*
 * A guest may have been promoted or have removed its key since it was found.  A guest with a
 * device key is only locked if that key is, see due_guests_lock().  Citus finds no single shard
 * if two conditions are id = ANY (...).
 */
static Statement lock_guests = {
	.sql = "SELECT id FROM anon_auth.users"
	" WHERE id = ANY (:guests) AND is_anonymous"
	" AND (device_kid IS NOT NULL OR passkey_routes <> '{}') = :with_key"
	" AND (device_kid IS NULL OR :with_device_key @> ARRAY[id])"
	" ORDER BY id FOR UPDATE SKIP LOCKED"
};

/* Locking the sessions waits for a refresh that is about to commit, and sees its result. */
static Statement postpone_live = {
	.sql = "WITH held AS (SELECT user_id, expires_at FROM anon_auth.sessions"
	"  WHERE user_id = ANY (:guests) FOR UPDATE),"
	" live AS (SELECT user_id, pg_catalog.max(expires_at) AS until FROM held"
	"  WHERE expires_at > :since GROUP BY user_id)"
	" UPDATE anon_auth.users u SET purge_from = l.until FROM live l"
	" WHERE u.id = l.user_id AND u.id = ANY (:guests) RETURNING u.id"
};

/* A refresh writes last_seen_at only once an hour, but last_used_at each time. */
static Statement postpone_seen = {
	.sql = "WITH held AS (SELECT user_id, last_used_at FROM anon_auth.sessions"
	"  WHERE user_id = ANY (:guests) FOR UPDATE),"
	" used AS (SELECT user_id, pg_catalog.max(last_used_at) AS at FROM held GROUP BY user_id),"
	" seen AS (SELECT u.id, GREATEST(u.last_seen_at, s.at) AS at"
	"  FROM anon_auth.users u LEFT JOIN used s ON s.user_id = u.id WHERE u.id = ANY (:guests))"
	" UPDATE anon_auth.users u SET purge_from = s.at FROM seen s"
	" WHERE u.id = s.id AND u.id = ANY (:guests) AND s.at >= :since RETURNING u.id"
};

static Statement postpone_guests = {
	.sql = "UPDATE anon_auth.users SET purge_from = :until WHERE id = ANY (:guests)"
};

static Statement subtract_guests = {
	.sql = "SELECT pg_catalog.unnest(:guests) AS id EXCEPT SELECT pg_catalog.unnest(:others)"
};

int
due_guests_count(const ArrayType *guests)
{
	return ArrayGetNItems(ARR_NDIM(guests), ARR_DIMS(guests));
}

ArrayType *
due_guests_subtract(ArrayType *guests, ArrayType *others)
{
	if (due_guests_count(others) == 0)
		return guests;
	return statement_fetch_ids(&subtract_guests,
							   PARAMS(param_uuids("guests", guests), param_uuids("others", others)));
}

ArrayType *
due_guests_find(bool with_key, TimestampTz before, int limit)
{
	return statement_fetch_ids(with_key ? &find_keyed_guests : &find_keyless_guests,
							   PARAMS(param_timestamp("before", before), param_int4("limit", limit)));
}

ArrayType **
due_guests_divide(ArrayType *guests, int *count)
{
	int			size = placement_current()->users_per_lock;
	ArrayType **parts;
	Datum	   *ids;
	int			nids;
	int			first;

	deconstruct_array(guests, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, NULL, &nids);
	parts = palloc(sizeof(ArrayType *) * Max(nids, 1));
	*count = 0;
	for (first = 0; first < nids; first += Min(size, nids - first))
		parts[(*count)++] = construct_array(&ids[first], Min(size, nids - first), UUIDOID,
											UUID_LEN, false, TYPALIGN_CHAR);
	return parts;
}

ArrayType *
due_guests_lock_device_keys_locally(ArrayType *users)
{
	return statement_fetch_ids(&lock_device_keys, PARAMS(param_uuids("users", users)));
}

/*
 * Device keys are locked before users, and passkeys after them: the lock order of statement.h.
 */
ArrayType *
due_guests_lock(bool with_key, ArrayType *guests)
{
	ArrayType  *with_device_key = construct_empty_array(UUIDOID);

	if (due_guests_count(guests) == 0)
		return guests;
	if (with_key)
		with_device_key = placement_current()->lock_device_keys(guests);
	return statement_fetch_ids(&lock_guests,
							   PARAMS(param_uuids("guests", guests),
									  param_uuids("with_device_key", with_device_key),
									  param_bool("with_key", with_key)));
}

ArrayType *
due_guests_postpone_used(bool with_key, ArrayType *guests, TimestampTz since)
{
	return statement_fetch_ids(with_key ? &postpone_seen : &postpone_live,
							   PARAMS(param_uuids("guests", guests), param_timestamp("since", since)));
}

void
due_guests_postpone(ArrayType *guests, TimestampTz until)
{
	statement_run(&postpone_guests,
				  PARAMS(param_uuids("guests", guests), param_timestamp("until", until)));
}
