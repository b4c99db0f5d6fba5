/*-------------------------------------------------------------------------
 *
 * one_time_codes.c
 *	  Statements on anon_auth.one_time_codes and outbox.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement replace_code = {
	.sql = "INSERT INTO anon_auth.one_time_codes"
	" (user_id, purpose, login_id_type, code_hash, created_at, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (user_id, purpose, login_id_type) DO UPDATE"
	" SET code_hash = excluded.code_hash,"
	" created_at = excluded.created_at, expires_at = excluded.expires_at",
	.nparams = 6,
	.types = {UUIDOID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static StoreStatement find_code = {
	.sql = "SELECT code_hash, created_at, expires_at FROM anon_auth.one_time_codes"
	" WHERE user_id = $1 AND purpose = $2 AND login_id_type = $3 AND expires_at > $4",
	.nparams = 4,
	.types = {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement delete_code = {
	.sql = "DELETE FROM anon_auth.one_time_codes"
	" WHERE user_id = $1 AND purpose = $2 AND login_id_type = $3 AND created_at = $4",
	.nparams = 4,
	.types = {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement delete_codes = {
	.sql = "DELETE FROM anon_auth.one_time_codes WHERE user_id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement insert_message = {
	.sql = "INSERT INTO anon_auth.outbox"
	" (user_id, id, type, login_id_type, recipient, sealed_code, created_at, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	.nparams = 8,
	.types = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID}
};

static StoreStatement take_messages = {
	.sql = "WITH oldest AS (SELECT user_id, id FROM anon_auth.outbox"
	"  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED),"
	" taken AS (DELETE FROM anon_auth.outbox o USING oldest t"
	"  WHERE o.user_id = t.user_id AND o.id = t.id RETURNING " OUTBOX_MESSAGE_COLUMNS ")"
	" SELECT * FROM taken WHERE expires_at > $2 ORDER BY id",
	.custom_plans = true,
	.nparams = 2,
	.types = {INT4OID, TIMESTAMPTZOID}
};

static const char *
purpose_name(CodePurpose purpose)
{
	return purpose == CODE_PASSWORD_RESET ? "password_reset" : "login_id_verification";
}

static void
fill_key(const OneTimeCodeKey *key, Datum params[3])
{
	params[0] = UUIDPGetDatum(&key->user_id);
	params[1] = text_param(purpose_name(key->purpose));
	params[2] = text_param(login_id_type_name(key->login_id_type));
}

void
one_time_code_replace(const OneTimeCodeKey *key, const uint8 *code_hash,
					  TimestampTz expires_at, TimestampTz now)
{
	Datum		params[6];

	fill_key(key, params);
	params[3] = bytea_param(code_hash, SECRET_HASH_LENGTH);
	params[4] = TimestampTzGetDatum(now);
	params[5] = TimestampTzGetDatum(expires_at);
	store_run(&replace_code, params, NULL, NULL);
}

bool
one_time_code_find(const OneTimeCodeKey *key, TimestampTz now, OneTimeCode *code)
{
	Datum		params[4];
	StoreRow	row;
	bytea	   *hash;

	fill_key(key, params);
	params[3] = TimestampTzGetDatum(now);
	if (store_run(&find_code, params, NULL, &row) == 0)
		return false;
	hash = DatumGetByteaPP(row.values[0]);
	if (VARSIZE_ANY_EXHDR(hash) != SECRET_HASH_LENGTH)
		elog(ERROR, "code_hash has a wrong length");
	memcpy(code->code_hash, VARDATA_ANY(hash), SECRET_HASH_LENGTH);
	code->created_at = DatumGetTimestampTz(row.values[1]);
	code->expires_at = DatumGetTimestampTz(row.values[2]);
	return true;
}

bool
one_time_code_delete(const OneTimeCodeKey *key, TimestampTz created_at)
{
	Datum		params[4];

	fill_key(key, params);
	params[3] = TimestampTzGetDatum(created_at);
	return store_run(&delete_code, params, NULL, NULL) > 0;
}

void
one_time_codes_delete(const pg_uuid_t *user_id)
{
	Datum		params[1] = {UUIDPGetDatum(user_id)};

	store_run(&delete_codes, params, NULL, NULL);
}

void
outbox_put(const OneTimeCodeKey *key, const OutboxMessage *message)
{
	Datum		params[8];

	params[0] = UUIDPGetDatum(&message->user_id);
	params[1] = UUIDPGetDatum(&message->id);
	params[2] = text_param(purpose_name(key->purpose));
	params[3] = text_param(login_id_type_name(key->login_id_type));
	params[4] = text_param(message->recipient);
	params[5] = PointerGetDatum(message->sealed_code);
	params[6] = TimestampTzGetDatum(message->created_at);
	params[7] = TimestampTzGetDatum(message->expires_at);
	store_run(&insert_message, params, NULL, NULL);
	outbox_notify();
}

void
outbox_notify(void)
{
	Async_Notify("anon_auth_outbox", "");
}

/* As OUTBOX_MESSAGE_COLUMNS has them. */
void
outbox_message_fill(OutboxMessage *message, const StoreRow *row)
{
	message->user_id = store_uuid(row, 0);
	message->id = store_uuid(row, 1);
	message->type = store_text(row, 2);
	message->login_id_type = store_text(row, 3);
	message->recipient = store_text(row, 4);
	message->sealed_code = DatumGetByteaP(row->values[5]);
	message->created_at = DatumGetTimestampTz(row->values[6]);
	message->expires_at = DatumGetTimestampTz(row->values[7]);
}

OutboxMessage *
outbox_take_locally(int limit, TimestampTz now, int *count)
{
	Datum		params[2];
	StoreRow   *rows;
	OutboxMessage *messages;
	int			i;

	params[0] = Int32GetDatum(limit);
	params[1] = TimestampTzGetDatum(now);
	rows = store_run_rows(&take_messages, params, NULL, count);
	messages = palloc(sizeof(OutboxMessage) * Max(*count, 1));
	for (i = 0; i < *count; i++)
		outbox_message_fill(&messages[i], &rows[i]);
	return messages;
}

OutboxMessage *
outbox_take(int limit, TimestampTz now, int *count)
{
	return placement_current()->take_outbox_messages(limit, now, count);
}
