/*-------------------------------------------------------------------------
 *
 * citus_purge.c
 *	  Rows that purge() and take_outbox_messages() delete on a Citus cluster.
 *
 * Citus can lock rows on one shard at a time.  Rows that another transaction holds
 * must be skipped: otherwise a caller that does not commit would keep everything from
 * being purged.  So these functions first find rows that are due, and then take them
 * one by one.  Events are never changed and therefore deleted together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "citus/citus_purge.h"
#include "store/statement.h"

typedef struct DueRows
{
	StoreStatement find;		/* times, limit, offset */
	int			ncolumns;		/* that find returns */
	StoreStatement delete;		/* these columns, times */
	StoreStatement postpone;	/* the same; may be missing */
} DueRows;

#define MAX_TIMES	2

#define DUE_ROWS(table, distributed_by, key, condition) \
	{ \
		.find = { \
			.sql = "SELECT " distributed_by " FROM anon_auth." table " WHERE " condition("$1") \
			" ORDER BY " distributed_by " LIMIT $2 OFFSET $3", \
			.custom_plans = true,.nparams = 3,.types = {TIMESTAMPTZOID, INT4OID, INT4OID} \
		}, \
		.ncolumns = 1, \
		.delete = { \
			.sql = "WITH free AS (SELECT " distributed_by ", " key " FROM anon_auth." table \
			"  WHERE " distributed_by " = $1 AND " condition("$2") " FOR UPDATE SKIP LOCKED)" \
			" DELETE FROM anon_auth." table " WHERE " distributed_by " = $1" \
			" AND (" key ") IN (SELECT " key " FROM free)", \
			.nparams = 2,.types = {UUIDOID, TIMESTAMPTZOID} \
		} \
	}

#define EXPIRED(before)		"expires_at <= " before
#define REMOVED(before)		"removed_at <= " before

static DueRows due_rows[] = {
	[PURGE_AUTHORIZATION_CODES] = DUE_ROWS("authorization_codes", "user_id", "route, code_hash", EXPIRED),
	[PURGE_ONE_TIME_CODES] = DUE_ROWS("one_time_codes", "user_id", "purpose, login_id_type", EXPIRED),
	[PURGE_OUTBOX_MESSAGES] = DUE_ROWS("outbox", "user_id", "id", EXPIRED),
	[PURGE_REMOVED_DEVICE_KEYS] = DUE_ROWS("removed_device_keys", "route", "kid, thumbprint", REMOVED)
};

static DueRows due_sessions = {
	.find = {
		.sql = "SELECT user_id, id FROM anon_auth.sessions WHERE purge_from <= $1"
		" ORDER BY purge_from LIMIT $2 OFFSET $3",
		.custom_plans = true,.nparams = 3,.types = {TIMESTAMPTZOID, INT4OID, INT4OID}
	},
	.ncolumns = 2,
	.delete = {
		.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
		"  WHERE user_id = $1 AND id = $2 AND expires_at <= $3 FOR UPDATE SKIP LOCKED)"
		" DELETE FROM anon_auth.sessions WHERE user_id = $1 AND id IN (SELECT id FROM free)",
		.nparams = 3,.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}
	},
	.postpone = {
		.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.sessions"
		"  WHERE user_id = $1 AND id = $2 AND expires_at > $3 FOR UPDATE SKIP LOCKED)"
		" UPDATE anon_auth.sessions SET purge_from = expires_at"
		" WHERE user_id = $1 AND id IN (SELECT id FROM free)",
		.nparams = 3,.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}
	}
};

/* By users, each of whom may have several. */
static StoreStatement find_events = {
	.sql = "SELECT DISTINCT d.user_id FROM (SELECT user_id FROM anon_auth.events"
	" WHERE created_at < $1 LIMIT $2) d",
	.custom_plans = true,
	.nparams = 2,
	.types = {TIMESTAMPTZOID, INT4OID}
};

/* Two at once would each wait for rows that the other deletes. */
static StoreStatement lock_events = {
	.sql = "LOCK TABLE anon_auth.events IN SHARE UPDATE EXCLUSIVE MODE",
};

static StoreStatement delete_events = {
	.sql = "DELETE FROM anon_auth.events WHERE user_id = ANY ($1) AND created_at < $2",
	.custom_plans = true,
	.nparams = 2,
	.types = {UUIDARRAYOID, TIMESTAMPTZOID}
};

RECORD_TYPE(message, OutboxMessage, OUTBOX_COLUMNS);

#define MESSAGE_KEY_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(UUID, id)

typedef struct MessageKey
{
	MESSAGE_KEY_COLUMNS(RECORD_FIELD)
} MessageKey;

RECORD_TYPE(message_key, MessageKey, MESSAGE_KEY_COLUMNS);

static Statement find_messages = {
	.sql = "SELECT {message_key} FROM anon_auth.outbox ORDER BY id LIMIT :limit",
	.row = &message_key_record
};

static Statement take_message = {
	.sql = "WITH free AS (SELECT user_id, id FROM anon_auth.outbox"
	"  WHERE user_id = :user_id AND id = :id FOR UPDATE SKIP LOCKED)"
	" DELETE FROM anon_auth.outbox o USING free f"
	" WHERE o.user_id = :user_id AND o.user_id = f.user_id AND o.id = f.id"
	" RETURNING {o.message}",
	.row = &message_record
};

static bool
is_same(const StoreRow *a, const StoreRow *b)
{
	int			i;

	for (i = 0; i < a->ncolumns; i++)
		if (memcmp(DatumGetUUIDP(a->values[i]), DatumGetUUIDP(b->values[i]), UUID_LEN) != 0)
			return false;
	return true;
}

/*
 * Delete or postpone the rows that a found row stands for, unless another transaction
 * holds them.  Returns whether there were any, and adds to deleted.
 */
static bool
take_due_row(DueRows *due, const StoreRow *row, const Datum *times, int ntimes, uint64 *deleted)
{
	Datum		params[STORE_MAX_PARAMS];
	uint64		count;

	memcpy(params, row->values, sizeof(Datum) * due->ncolumns);
	memcpy(params + due->ncolumns, times, sizeof(Datum) * ntimes);
	count = store_run(&due->delete, params, NULL, NULL);
	*deleted += count;
	return count > 0 ||
		(due->postpone.sql != NULL && store_run(&due->postpone, params, NULL, NULL) > 0);
}

/* Looks on where all that was found is held by others. */
static uint64
purge_due(DueRows *due, const Datum *times, int ntimes, int limit, bool *more)
{
	Datum		params[MAX_TIMES + 2];
	uint64		deleted = 0;
	int			offset = 0;
	int			count;
	bool		taken = false;

	memcpy(params, times, sizeof(Datum) * ntimes);
	params[ntimes] = Int32GetDatum(limit);
	do
	{
		StoreRow   *rows;
		int			i;

		params[ntimes + 1] = Int32GetDatum(offset);
		rows = store_run_rows(&due->find, params, NULL, &count);
		for (i = 0; i < count; i++)
			if (i == 0 || !is_same(&rows[i], &rows[i - 1]))
				taken |= take_due_row(due, &rows[i], times, ntimes, &deleted);
		offset += count;
	} while (!taken && count == limit);
	*more = count == limit;
	return deleted;
}

uint64
citus_purge_sessions(TimestampTz now, int limit, bool *more)
{
	Datum		times[1] = {TimestampTzGetDatum(now)};

	return purge_due(&due_sessions, times, 1, limit, more);
}

static uint64
purge_events(TimestampTz before, int limit)
{
	Datum		params[2];
	ArrayType  *user_ids;

	params[0] = TimestampTzGetDatum(before);
	params[1] = Int32GetDatum(limit);
	store_run(&lock_events, NULL, NULL, NULL);
	user_ids = store_run_for_ids(&find_events, params);
	if (purge_count(user_ids) == 0)
		return 0;
	params[0] = PointerGetDatum(user_ids);
	params[1] = TimestampTzGetDatum(before);
	return store_run(&delete_events, params, NULL, NULL);
}

uint64
citus_purge_rows(PurgeKind kind, TimestampTz before, int limit)
{
	Datum		times[1] = {TimestampTzGetDatum(before)};
	bool		more;

	if (kind == PURGE_EVENTS)
		return purge_events(before, limit);
	return purge_due(&due_rows[kind], times, 1, limit, &more);
}

OutboxMessage *
citus_purge_outbox_take(int limit, TimestampTz now, int *count)
{
	int			nkeys;
	MessageKey *keys = statement_fetch_all(&find_messages, PARAMS(param_int4("limit", limit)),
										   &nkeys);
	OutboxMessage *messages = palloc(sizeof(OutboxMessage) * Max(nkeys, 1));
	int			i;

	*count = 0;
	for (i = 0; i < nkeys; i++)
		if (statement_fetch(&take_message, PARAMS(param_record(&message_key_record, &keys[i])),
							&messages[*count]) &&
			messages[*count].expires_at > now)
			(*count)++;
	return messages;
}
