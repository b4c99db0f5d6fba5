/*-------------------------------------------------------------------------
 *
 * login_ids.c
 *	  Statements on anon_auth.login_ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement find_owner = {
	.sql = "SELECT user_id FROM anon_auth.login_ids"
	" WHERE route = $1 AND type = $2 AND value = $3",
	.nparams = 3,
	.types = {UUIDOID, TEXTOID, TEXTOID}
};

static StoreStatement insert_login_id = {
	.sql = "INSERT INTO anon_auth.login_ids"
	" (route, type, value, user_id, original_value, created_at, updated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (route, type, value) DO NOTHING",
	.nparams = 6,
	.types = {UUIDOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement find_of_user = {
	.sql = "SELECT type, original_value, verified_at IS NOT NULL, created_at, updated_at, value"
	" FROM anon_auth.login_ids WHERE route = ANY ($1) AND user_id = $2"
	" ORDER BY created_at, type",
	.nparams = 2,
	.types = {UUIDARRAYOID, UUIDOID}
};

static StoreStatement set_verified = {
	.sql = "UPDATE anon_auth.login_ids SET verified_at = $4, updated_at = $4"
	" WHERE route = ANY ($1) AND user_id = $2 AND type = $3 AND verified_at IS NULL",
	.nparams = 4,
	.types = {UUIDARRAYOID, UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static LoginIdType
login_id_type_by_name(const char *name)
{
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (strcmp(login_id_type_name(type), name) == 0)
			return (LoginIdType) type;
	elog(ERROR, "unknown type in anon_auth.login_ids");
	pg_unreachable();
}

pg_uuid_t
login_id_route(const LoginId *login_id)
{
	char	   *key = psprintf("%s:%s", login_id_type_name(login_id->type), login_id->value);

	return store_route(key, strlen(key));
}

bool
login_id_owner(const LoginId *login_id, pg_uuid_t *user_id)
{
	pg_uuid_t	route = login_id_route(login_id);
	Datum		params[3];
	StoreRow	row;

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(login_id_type_name(login_id->type));
	params[2] = text_param(login_id->value);
	if (store_run(&find_owner, params, NULL, &row) == 0)
		return false;
	*user_id = store_uuid(&row, 0);
	return true;
}

bool
login_id_insert(const LoginId *login_id, const pg_uuid_t *user_id, TimestampTz now)
{
	pg_uuid_t	route = login_id_route(login_id);
	Datum		params[6];

	params[0] = UUIDPGetDatum(&route);
	params[1] = text_param(login_id_type_name(login_id->type));
	params[2] = text_param(login_id->value);
	params[3] = UUIDPGetDatum(user_id);
	params[4] = text_param(login_id->original_value);
	params[5] = TimestampTzGetDatum(now);
	return store_run(&insert_login_id, params, NULL, NULL) > 0;
}

LoginIdRow *
login_ids_of(const User *user, int *count)
{
	Datum		params[2];
	StoreRow   *rows;
	LoginIdRow *result;
	int			i;

	params[0] = user->login_id_routes;
	params[1] = UUIDPGetDatum(&user->id);
	rows = store_run_rows(&find_of_user, params, NULL, count);
	result = palloc(sizeof(LoginIdRow) * Max(*count, 1));
	for (i = 0; i < *count; i++)
	{
		result[i].type = login_id_type_by_name(store_text(&rows[i], 0));
		result[i].original_value = store_text(&rows[i], 1);
		result[i].verified = DatumGetBool(rows[i].values[2]);
		result[i].created_at = DatumGetTimestampTz(rows[i].values[3]);
		result[i].updated_at = DatumGetTimestampTz(rows[i].values[4]);
		result[i].value = store_text(&rows[i], 5);
	}
	return result;
}

void
login_id_set_verified(const User *user, LoginIdType type, TimestampTz now)
{
	Datum		params[4];

	params[0] = user->login_id_routes;
	params[1] = UUIDPGetDatum(&user->id);
	params[2] = text_param(login_id_type_name(type));
	params[3] = TimestampTzGetDatum(now);
	store_run(&set_verified, params, NULL, NULL);
}
