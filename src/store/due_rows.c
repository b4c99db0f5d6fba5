/*-------------------------------------------------------------------------
 *
 * due_rows.c
 *	  Rows that purge() deletes because of their age alone.
 *
 * Rows that another transaction holds are in use and are skipped.  So a purge never
 * waits for them, and several purges can run at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/due_rows.h"
#include "store/placement.h"
#include "store/statement.h"
#include "utils/array.h"

/* Keys of sessions: two arrays of the same length, or NULL. */
#define LOCKED_SESSIONS_COLUMNS(COLUMN) \
	COLUMN(UUID_ARRAY, user_ids) \
	COLUMN(UUID_ARRAY, ids)

typedef struct LockedSessions
{
	LOCKED_SESSIONS_COLUMNS(RECORD_FIELD)
} LockedSessions;

RECORD_TYPE(locked, LockedSessions, LOCKED_SESSIONS_COLUMNS);

static Statement lock_due_sessions = {
	.sql = "SELECT pg_catalog.array_agg(d.user_id) AS user_ids, pg_catalog.array_agg(d.id) AS ids"
	" FROM (SELECT user_id, id FROM anon_auth.sessions WHERE purge_from <= :now"
	"  ORDER BY purge_from LIMIT :limit FOR UPDATE SKIP LOCKED) d",
	.row = &locked_record,
	.custom_plans = true
};

static Statement delete_expired_sessions = {
	.sql = "DELETE FROM anon_auth.sessions s USING ROWS FROM"
	" (pg_catalog.unnest(:user_ids), pg_catalog.unnest(:ids)) AS d (user_id, id)"
	" WHERE s.user_id = d.user_id AND s.id = d.id AND s.expires_at <= :now"
};

static Statement postpone_live_sessions = {
	.sql = "UPDATE anon_auth.sessions s SET purge_from = s.expires_at FROM ROWS FROM"
	" (pg_catalog.unnest(:user_ids), pg_catalog.unnest(:ids)) AS d (user_id, id)"
	" WHERE s.user_id = d.user_id AND s.id = d.id AND s.expires_at > :now"
};

/*
 * Four of these tables need no index on their time: they are small, because they have
 * at most the rows that were added since the last purge.  In the outbox, only the
 * oldest messages are checked, because lifetimes are nearly equal.  A scan of the
 * events finds the oldest first, because they are at the beginning of their table.
 */
static Statement delete_before[] = {
	[DUE_AUTHORIZATION_CODES] = {
		.sql = "DELETE FROM anon_auth.authorization_codes WHERE (route, code_hash) IN"
		" (SELECT route, code_hash FROM anon_auth.authorization_codes"
		"  WHERE expires_at <= :before LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_ONE_TIME_CODES] = {
		.sql = "DELETE FROM anon_auth.one_time_codes WHERE (user_id, purpose, login_id_type) IN"
		" (SELECT user_id, purpose, login_id_type FROM anon_auth.one_time_codes"
		"  WHERE expires_at <= :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_ADDRESS_CODES] = {
		.sql = "DELETE FROM anon_auth.address_codes WHERE (route, id) IN"
		" (SELECT route, id FROM anon_auth.address_codes"
		"  WHERE expires_at <= :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_OUTBOX_MESSAGES] = {
		.sql = "DELETE FROM anon_auth.outbox WHERE (route, id) IN"
		" (SELECT route, id FROM (SELECT route, id, expires_at FROM anon_auth.outbox"
		"  ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) o WHERE expires_at <= :before)"
	},
	[DUE_REMOVED_DEVICE_KEYS] = {
		.sql = "DELETE FROM anon_auth.removed_device_keys WHERE (route, kid, thumbprint) IN"
		" (SELECT route, kid, thumbprint FROM anon_auth.removed_device_keys"
		"  WHERE removed_at <= :before AND user_id IS NULL ORDER BY removed_at"
		"  LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_REMOVED_IDENTITIES] = {
		.sql = "DELETE FROM anon_auth.removed_identities WHERE route IN"
		" (SELECT route FROM anon_auth.removed_identities"
		"  WHERE removed_at <= :before LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_MERGED_GUESTS] = {
		.sql = "DELETE FROM anon_auth.merged_guests WHERE (user_id, guest_id) IN"
		" (SELECT user_id, guest_id FROM anon_auth.merged_guests"
		"  WHERE merged_at <= :before ORDER BY merged_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
	},
	[DUE_EVENTS] = {
		.sql = "DELETE FROM anon_auth.events WHERE (user_id, id) IN"
		" (SELECT user_id, id FROM anon_auth.events"
		"  WHERE created_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED)"
	}
};

/*
 * The first statement locks the sessions, so no refresh can change expires_at before
 * the other two read it.
 */
uint64
due_rows_delete_sessions_locally(TimestampTz now, int limit, bool *more)
{
	LockedSessions locked;
	uint64		deleted;

	*more = false;
	if (!statement_fetch(&lock_due_sessions,
						 PARAMS(param_timestamp("now", now), param_int4("limit", limit)), &locked) ||
		locked.ids == NULL)
		return 0;
	*more = ArrayGetNItems(ARR_NDIM(locked.ids), ARR_DIMS(locked.ids)) == limit;
	deleted = statement_run(&delete_expired_sessions,
							PARAMS(param_record(&locked_record, &locked), param_timestamp("now", now)));
	statement_run(&postpone_live_sessions,
				  PARAMS(param_record(&locked_record, &locked), param_timestamp("now", now)));
	return deleted;
}

uint64
due_rows_delete_locally(DueKind kind, TimestampTz before, int limit)
{
	return statement_run(&delete_before[kind],
						 PARAMS(param_timestamp("before", before), param_int4("limit", limit)));
}

uint64
due_rows_delete_sessions(TimestampTz now, int limit, bool *more)
{
	return placement_current()->delete_due_sessions(now, limit, more);
}

uint64
due_rows_delete(DueKind kind, TimestampTz before, int limit)
{
	return placement_current()->delete_due_rows(kind, before, limit);
}
