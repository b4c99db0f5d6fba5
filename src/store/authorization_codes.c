/*-------------------------------------------------------------------------
 *
 * authorization_codes.c
 *	  Statements on anon_auth.authorization_codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement insert_code = {
	.sql = "INSERT INTO anon_auth.authorization_codes"
	" (route, code_hash, user_id, client_id, redirect_uri, code_challenge, nonce,"
	" authenticated_at, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	.nparams = 9,
	.types = {UUIDOID, BYTEAOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static StoreStatement find_code = {
	.sql = "SELECT user_id, client_id, redirect_uri, code_challenge, nonce,"
	" authenticated_at, expires_at"
	" FROM anon_auth.authorization_codes"
	" WHERE route = $1 AND code_hash = $2 AND user_id = $3",
	.nparams = 3,
	.types = {UUIDOID, BYTEAOID, UUIDOID}
};

static StoreStatement take_code = {
	.sql = "DELETE FROM anon_auth.authorization_codes"
	" WHERE route = $1 AND code_hash = $2 AND user_id = $3",
	.nparams = 3,
	.types = {UUIDOID, BYTEAOID, UUIDOID}
};

static StoreStatement delete_of_user = {
	.sql = "DELETE FROM anon_auth.authorization_codes WHERE user_id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static pg_uuid_t
code_route(const uint8 *code_hash)
{
	pg_uuid_t	route;

	memcpy(route.data, code_hash, UUID_LEN);
	return route;
}

void
authorization_code_insert(const uint8 *code_hash, const AuthorizationCode *code)
{
	pg_uuid_t	route = code_route(code_hash);
	Datum		params[9];
	bool		nulls[9] = {false};

	params[0] = UUIDPGetDatum(&route);
	params[1] = bytea_param(code_hash, SECRET_HASH_LENGTH);
	params[2] = UUIDPGetDatum(&code->user_id);
	params[3] = text_param(code->client_id);
	params[4] = text_param(code->redirect_uri);
	params[5] = text_param(code->code_challenge);
	params[6] = text_param(code->nonce);
	nulls[6] = code->nonce == NULL;
	params[7] = TimestampTzGetDatum(code->authenticated_at);
	params[8] = TimestampTzGetDatum(code->expires_at);
	store_run(&insert_code, params, nulls, NULL);
}

bool
authorization_code_find(const pg_uuid_t *user_id, const uint8 *code_hash,
						AuthorizationCode *code)
{
	pg_uuid_t	route = code_route(code_hash);
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = bytea_param(code_hash, SECRET_HASH_LENGTH);
	params[2] = UUIDPGetDatum(user_id);
	if (store_run(&find_code, params, NULL, &row) == 0)
		return false;
	code->user_id = store_uuid(&row, 0);
	code->client_id = store_text(&row, 1);
	code->redirect_uri = store_text(&row, 2);
	code->code_challenge = store_text(&row, 3);
	code->nonce = store_text(&row, 4);
	code->authenticated_at = DatumGetTimestampTz(row.values[5]);
	code->expires_at = DatumGetTimestampTz(row.values[6]);
	return true;
}

bool
authorization_code_take(const pg_uuid_t *user_id, const uint8 *code_hash)
{
	pg_uuid_t	route = code_route(code_hash);
	Datum		params[3];

	params[0] = UUIDPGetDatum(&route);
	params[1] = bytea_param(code_hash, SECRET_HASH_LENGTH);
	params[2] = UUIDPGetDatum(user_id);
	return store_run(&take_code, params, NULL, NULL) > 0;
}

void
authorization_codes_delete(const pg_uuid_t *user_id)
{
	Datum		params[1];

	params[0] = UUIDPGetDatum(user_id);
	store_run(&delete_of_user, params, NULL, NULL);
}
