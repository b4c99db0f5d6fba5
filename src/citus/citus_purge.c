/*-------------------------------------------------------------------------
 *
 * citus_purge.c
 *	  Rows that purge() and take_outbox_messages() delete on a Citus cluster.
 *
 * Citus can lock rows on one shard at a time.  Rows that another transaction holds
 * must be skipped: otherwise a caller that does not commit would keep everything from
 * being purged.  So these functions first find rows that are due, without locks, and
 * then take them one by one.  Events are never changed and therefore deleted together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "citus/citus_purge.h"
#include "store/statement.h"
#include "utils/array.h"

/*
 * Rows to take by one statement: "place" is the value that a table is distributed by,
 * and names the shard.  Sessions are taken by their id, too; other rows all together.
 */
#define DUE_COLUMNS(COLUMN) \
	COLUMN(UUID, place) \
	COLUMN(UUID, id)

typedef struct DueRow
{
	DUE_COLUMNS(RECORD_FIELD)
} DueRow;

RECORD_TYPE(due, DueRow, DUE_COLUMNS);
RECORD_TYPE(message, OutboxMessage, OUTBOX_COLUMNS);

/* How rows of a table are found, deleted and postponed. */
typedef struct DueTable
{
	Statement	find;			/* :before, :limit, :offset */
	Statement	delete;			/* a DueRow, :before */
	Statement	postpone;		/* the same; may be missing */
} DueTable;

#define DUE_TABLE(table, distributed_by, key, condition) \
	{ \
		.find = { \
			.sql = "SELECT " distributed_by " AS place, " distributed_by " AS id" \
			" FROM anon_auth." table " WHERE " condition \
			" ORDER BY " distributed_by " LIMIT :limit OFFSET :offset", \
			.row = &due_record,.custom_plans = true \
		}, \
		.delete = { \
			.sql = "WITH free AS (SELECT " distributed_by ", " key " FROM anon_auth." table \
			"  WHERE " distributed_by " = :place AND " condition " FOR UPDATE SKIP LOCKED)" \
			" DELETE FROM anon_auth." table " WHERE " distributed_by " = :place" \
			" AND (" key ") IN (SELECT " key " FROM free)" \
		} \
	}

#define EXPIRED		"expires_at <= :before"
#define REMOVED		"removed_at <= :before AND user_id IS NULL"
#define MERGED		"merged_at <= :before"

static DueTable due_tables[] = {
	[DUE_AUTHORIZATION_CODES] = DUE_TABLE("authorization_codes", "user_id", "route, code_hash", EXPIRED),
	[DUE_ONE_TIME_CODES] = DUE_TABLE("one_time_codes", "user_id", "purpose, login_id_type", EXPIRED),
	[DUE_ADDRESS_CODES] = DUE_TABLE("address_codes", "route", "id", EXPIRED),
	[DUE_OUTBOX_MESSAGES] = DUE_TABLE("outbox", "route", "id", EXPIRED),
	[DUE_REMOVED_DEVICE_KEYS] = DUE_TABLE("removed_device_keys", "route", "kid, thumbprint", REMOVED),
	[DUE_REMOVED_IDENTITIES] = DUE_TABLE("removed_identities", "route", "removed_at",
										 "removed_at <= :before"),
	[DUE_MERGED_GUESTS] = DUE_TABLE("merged_guests", "user_id", "guest_id", MERGED)
};

static DueTable due_sessions = {
	.find = {
		.sql = "SELECT user_id AS place, id FROM anon_auth.sessions WHERE purge_from <= :before"
		" ORDER BY purge_from LIMIT :limit OFFSET :offset",
		.row = &due_record,.custom_plans = true
	},
	.delete = {
		.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
		"  WHERE user_id = :place AND id = :id AND expires_at <= :before FOR UPDATE SKIP LOCKED)"
		" DELETE FROM anon_auth.sessions WHERE user_id = :place AND id IN (SELECT id FROM free)"
	},
	.postpone = {
		.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
		"  WHERE user_id = :place AND id = :id AND expires_at > :before FOR UPDATE SKIP LOCKED)"
		" UPDATE anon_auth.sessions SET purge_from = expires_at"
		" WHERE user_id = :place AND id IN (SELECT id FROM free)"
	}
};

/* Users with old events, each once.  A user may have several old events. */
static Statement find_users_with_events = {
	.sql = "SELECT DISTINCT d.user_id AS id FROM (SELECT user_id FROM anon_auth.events"
	" WHERE created_at < :before LIMIT :limit) d",
	.custom_plans = true
};

/* Two purges at the same time would each wait for rows that the other deletes. */
static Statement lock_events = {
	.sql = "LOCK TABLE anon_auth.events IN SHARE UPDATE EXCLUSIVE MODE"
};

static Statement delete_events = {
	.sql = "DELETE FROM anon_auth.events WHERE user_id = ANY (:users) AND created_at < :before",
	.custom_plans = true
};

static Statement find_messages = {
	.sql = "SELECT route AS place, id FROM anon_auth.outbox ORDER BY id LIMIT :limit",
	.row = &due_record
};

static Statement take_message = {
	.sql = "WITH free AS (SELECT route, id FROM anon_auth.outbox"
	"  WHERE route = :place AND id = :id FOR UPDATE SKIP LOCKED)"
	" DELETE FROM anon_auth.outbox o USING free f"
	" WHERE o.route = :place AND o.route = f.route AND o.id = f.id"
	" RETURNING {o.message}",
	.row = &message_record
};

static bool
is_same_row(const DueRow *a, const DueRow *b)
{
	return memcmp(&a->place, &b->place, sizeof(pg_uuid_t)) == 0 &&
		memcmp(&a->id, &b->id, sizeof(pg_uuid_t)) == 0;
}

/*
 * Delete or postpone the rows that a found row stands for, unless another transaction
 * holds them.  Returns whether there were any, and adds to deleted.
 */
static bool
take_due_row(DueTable *table, const DueRow *row, TimestampTz before, uint64 *deleted)
{
	const NamedParam *params = PARAMS(param_record(&due_record, row),
									  param_timestamp("before", before));
	uint64		count = statement_run(&table->delete, params);

	*deleted += count;
	return count > 0 ||
		(table->postpone.sql != NULL && statement_run(&table->postpone, params) > 0);
}

/*
 * Delete rows of a table.  If other transactions hold all rows that were found, look at
 * the next ones: the caller could not make progress otherwise.
 */
static uint64
delete_due_rows(DueTable *table, TimestampTz before, int limit, bool *more)
{
	uint64		deleted = 0;
	int			offset = 0;
	int			count;
	bool		taken = false;

	do
	{
		DueRow	   *rows = statement_fetch_all(&table->find,
											   PARAMS(param_timestamp("before", before),
													  param_int4("limit", limit),
													  param_int4("offset", offset)),
											   &count);
		int			i;

		for (i = 0; i < count; i++)
			if (i == 0 || !is_same_row(&rows[i], &rows[i - 1]))
				taken |= take_due_row(table, &rows[i], before, &deleted);
		offset += count;
	} while (!taken && count == limit);
	*more = count == limit;
	return deleted;
}

static uint64
delete_old_events(TimestampTz before, int limit)
{
	ArrayType  *users;

	statement_run(&lock_events, NO_PARAMS);
	users = statement_fetch_ids(&find_users_with_events,
								PARAMS(param_timestamp("before", before), param_int4("limit", limit)));
	if (ArrayGetNItems(ARR_NDIM(users), ARR_DIMS(users)) == 0)
		return 0;
	return statement_run(&delete_events,
						 PARAMS(param_uuids("users", users), param_timestamp("before", before)));
}

uint64
citus_purge_sessions(TimestampTz now, int limit, bool *more)
{
	return delete_due_rows(&due_sessions, now, limit, more);
}

uint64
citus_purge_rows(DueKind kind, TimestampTz before, int limit)
{
	bool		more;

	if (kind == DUE_EVENTS)
		return delete_old_events(before, limit);
	return delete_due_rows(&due_tables[kind], before, limit, &more);
}

OutboxMessage *
citus_purge_outbox_take(int limit, int *count)
{
	int			nrows;
	DueRow	   *rows = statement_fetch_all(&find_messages, PARAMS(param_int4("limit", limit)),
										   &nrows);
	OutboxMessage *messages = palloc(sizeof(OutboxMessage) * Max(nrows, 1));
	int			i;

	*count = 0;
	for (i = 0; i < nrows; i++)
	{
		if (statement_fetch(&take_message, PARAMS(param_record(&due_record, &rows[i])),
							&messages[*count]))
			(*count)++;
	}
	return messages;
}
