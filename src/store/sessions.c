/*-------------------------------------------------------------------------
 *
 * sessions.c
 *	  Statements on anon_auth.sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "counters/transaction_counters.h"
#include "store/statement.h"
#include "store/store.h"

#define SESSION_COLUMNS \
	"s.user_id, s.id, s.client_id, s.secret_hash, s.generation, s.rotated_at," \
	" s.created_at, s.authenticated_at, s.expires_at," \
	" u.is_anonymous, u.is_disabled, u.is_verified, u.last_seen_at, u.device_kid"

static StoreStatement insert_session = {
	.sql = "INSERT INTO anon_auth.sessions"
	" (user_id, id, client_id, secret_hash, created_at, authenticated_at,"
	" last_used_at, expires_at, purge_from, device_info, session_type)"
	" VALUES ($1, $2, $3, $4, $5, $6, $5, $7, $7, $8, $9)",
	.nparams = 9,
	.types = {UUIDOID, UUIDOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, JSONBOID, TEXTOID}
};

static StoreStatement find_session = {
	.sql = "SELECT " SESSION_COLUMNS
	" FROM anon_auth.sessions s JOIN anon_auth.users u ON u.id = s.user_id"
	" WHERE s.user_id = $1 AND s.id = $2 AND s.expires_at > $3",
	.nparams = 3,
	.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}
};

static StoreStatement use_session = {
	.sql = "UPDATE anon_auth.sessions s SET last_used_at = $3, expires_at = $4,"
	" generation = CASE WHEN $6 = s.generation THEN $6 + $5 ELSE s.generation END,"
	" rotated_at = CASE WHEN $6 = s.generation AND $5 > 0 THEN $3 ELSE s.rotated_at END"
	" FROM anon_auth.users u"
	" WHERE u.id = s.user_id AND s.user_id = $1 AND s.id = $2 AND s.expires_at > $3"
	" AND s.generation >= $6 RETURNING " SESSION_COLUMNS,
	.nparams = 6,
	.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID}
};

static StoreStatement delete_session = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = $1 AND id = $2",
	.nparams = 2,
	.types = {UUIDOID, UUIDOID}
};

static StoreStatement end_session = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = $1 AND id = $2"
	" AND secret_hash = $3 AND expires_at > $4 RETURNING client_id",
	.nparams = 4,
	.types = {UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID}
};

static StoreStatement delete_all = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = $1 RETURNING id",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement delete_of_client = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = $1 AND client_id = $2",
	.nparams = 2,
	.types = {UUIDOID, TEXTOID}
};

static void
fill_session(Session *session, User *user, const StoreRow *row)
{
	bytea	   *hash = DatumGetByteaPP(row->values[3]);

	session->user_id = store_uuid(row, 0);
	session->id = store_uuid(row, 1);
	session->client_id = store_text(row, 2);
	if (VARSIZE_ANY_EXHDR(hash) != SECRET_HASH_LENGTH)
		elog(ERROR, "secret_hash has a wrong length");
	memcpy(session->secret_hash, VARDATA_ANY(hash), SECRET_HASH_LENGTH);
	session->generation = DatumGetInt32(row->values[4]);
	session->rotated_at = row->nulls[5] ? 0 : DatumGetTimestampTz(row->values[5]);
	session->created_at = DatumGetTimestampTz(row->values[6]);
	session->authenticated_at = DatumGetTimestampTz(row->values[7]);
	session->expires_at = DatumGetTimestampTz(row->values[8]);

	memset(user, 0, sizeof(User));
	user->id = session->user_id;
	user->is_anonymous = DatumGetBool(row->values[9]);
	user->is_disabled = DatumGetBool(row->values[10]);
	user->is_verified = DatumGetBool(row->values[11]);
	user->last_seen_at = DatumGetTimestampTz(row->values[12]);
	user->device_kid = store_text(row, 13);
}

void
session_insert(const Session *session, SessionType type, Jsonb *device_info)
{
	Datum		params[9];
	bool		nulls[9] = {false};

	params[0] = UUIDPGetDatum(&session->user_id);
	params[1] = UUIDPGetDatum(&session->id);
	nulls[2] = session->client_id == NULL;
	params[2] = text_param(session->client_id);
	params[3] = bytea_param(session->secret_hash, SECRET_HASH_LENGTH);
	params[4] = TimestampTzGetDatum(session->created_at);
	params[5] = TimestampTzGetDatum(session->authenticated_at);
	params[6] = TimestampTzGetDatum(session->expires_at);
	nulls[7] = device_info == NULL;
	params[7] = nulls[7] ? (Datum) 0 : JsonbPGetDatum(device_info);
	params[8] = text_param(type == SESSION_COOKIE ? "cookie" : "refresh_token");
	store_run(&insert_session, params, nulls, NULL);
}

static char *
revoked_flag(const pg_uuid_t *id)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_to_text(id, text);
	return psprintf("session/revoked/%s", text);
}

void
session_revoke_at_once(const Session *session, TimestampTz now)
{
	char	   *flag = revoked_flag(&session->id);

	counter_flag(flag, session->expires_at - now);
	counter_clear_at_commit(flag);
}

bool
session_is_revoked(const pg_uuid_t *id)
{
	return counters_flagged() && counter_is_flagged(revoked_flag(id));
}

bool
session_find(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now,
			 Session *session, User *user)
{
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(user_id);
	params[1] = UUIDPGetDatum(id);
	params[2] = TimestampTzGetDatum(now);
	if (session_is_revoked(id) || store_run(&find_session, params, NULL, &row) == 0)
		return false;
	fill_session(session, user, &row);
	return true;
}

bool
session_use(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz expires_at,
			bool rotate, int presented_generation, TimestampTz now,
			Session *session, User *user)
{
	Datum		params[6];
	StoreRow	row;

	params[0] = UUIDPGetDatum(user_id);
	params[1] = UUIDPGetDatum(id);
	params[2] = TimestampTzGetDatum(now);
	params[3] = TimestampTzGetDatum(expires_at);
	params[4] = Int32GetDatum(rotate ? 1 : 0);
	params[5] = Int32GetDatum(presented_generation);
	if (store_run(&use_session, params, NULL, &row) == 0)
		return false;
	fill_session(session, user, &row);
	return true;
}

bool
session_delete(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	Datum		params[2];

	params[0] = UUIDPGetDatum(user_id);
	params[1] = UUIDPGetDatum(id);
	return store_run(&delete_session, params, NULL, NULL) > 0;
}

bool
session_delete_with_secret(const pg_uuid_t *user_id, const pg_uuid_t *id,
						const uint8 secret_hash[SECRET_HASH_LENGTH], TimestampTz now,
						char **client_id)
{
	Datum		params[4];
	StoreRow	row;

	params[0] = UUIDPGetDatum(user_id);
	params[1] = UUIDPGetDatum(id);
	params[2] = bytea_param(secret_hash, SECRET_HASH_LENGTH);
	params[3] = TimestampTzGetDatum(now);
	if (store_run(&end_session, params, NULL, &row) == 0)
		return false;
	*client_id = store_text(&row, 0);
	return true;
}

bool
sessions_delete_with(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	Datum		params[1];
	StoreRow   *rows;
	int			count;
	int			i;
	bool		deleted = false;

	params[0] = UUIDPGetDatum(user_id);
	rows = store_run_rows(&delete_all, params, NULL, &count);
	for (i = 0; i < count; i++)
		deleted = deleted || memcmp(DatumGetUUIDP(rows[i].values[0]), id, UUID_LEN) == 0;
	return deleted;
}

uint64
sessions_delete(const pg_uuid_t *user_id, const char *client_id)
{
	Datum		params[2];

	params[0] = UUIDPGetDatum(user_id);
	if (client_id == NULL)
		return store_run(&delete_all, params, NULL, NULL);
	params[1] = text_param(client_id);
	return store_run(&delete_of_client, params, NULL, NULL);
}
