/*-------------------------------------------------------------------------
 *
 * passwords.c
 *	  Statements on anon_auth.passwords.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement find_password = {
	.sql = "SELECT password_hash, created_at, updated_at"
	" FROM anon_auth.passwords WHERE user_id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement insert_password = {
	.sql = "INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at)"
	" VALUES ($1, $2, $3, $3)",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement set_password = {
	.sql = "UPDATE anon_auth.passwords SET password_hash = $2, updated_at = $3"
	" WHERE user_id = $1",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement replace_password = {
	.sql = "UPDATE anon_auth.passwords SET password_hash = $3, updated_at = $4"
	" WHERE user_id = $1 AND password_hash = $2",
	.nparams = 4,
	.types = {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

bool
password_find(const pg_uuid_t *user_id, PasswordRow *password)
{
	Datum		params[1];
	StoreRow	row;

	params[0] = UUIDPGetDatum(user_id);
	if (store_run(&find_password, params, NULL, &row) == 0)
		return false;
	password->hash = store_text(&row, 0);
	password->created_at = DatumGetTimestampTz(row.values[1]);
	password->updated_at = DatumGetTimestampTz(row.values[2]);
	return true;
}

void
password_insert(const pg_uuid_t *user_id, const char *hash, TimestampTz now)
{
	Datum		params[3];

	params[0] = UUIDPGetDatum(user_id);
	params[1] = text_param(hash);
	params[2] = TimestampTzGetDatum(now);
	store_run(&insert_password, params, NULL, NULL);
}

void
password_set(const pg_uuid_t *user_id, const char *hash, TimestampTz now)
{
	Datum		params[3];

	params[0] = UUIDPGetDatum(user_id);
	params[1] = text_param(hash);
	params[2] = TimestampTzGetDatum(now);
	store_run(&set_password, params, NULL, NULL);
}

void
password_replace(const pg_uuid_t *user_id, const char *old_hash, const char *hash,
				 TimestampTz now)
{
	Datum		params[4];

	params[0] = UUIDPGetDatum(user_id);
	params[1] = text_param(old_hash);
	params[2] = text_param(hash);
	params[3] = TimestampTzGetDatum(now);
	store_run(&replace_password, params, NULL, NULL);
}
