/*-------------------------------------------------------------------------
 *
 * login_ids.c
 *	  Statements on anon_auth.login_ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "store/login_ids.h"
#include "store/placement.h"
#include "store/route.h"
#include "store/statement.h"

RECORD_TYPE(login_id, LoginIdRow, LOGIN_ID_COLUMNS);

static Statement find_login_id = {
	.sql = "SELECT {login_id} FROM anon_auth.login_ids"
	" WHERE route = :route AND type = :type AND value = :value",
	.row = &login_id_record,
	.key_table = "login_ids"
};

static Statement find_route = {
	.sql = "SELECT {login_id} FROM anon_auth.login_ids WHERE route = :route",
	.row = &login_id_record,
	.key_table = "login_ids"
};

/* The primary key decides between two users who claim one login ID at the same time. */
static Statement insert_login_id = {
	.sql = "INSERT INTO anon_auth.login_ids"
	" (route, type, value, user_id, original_value, verified_at, created_at, updated_at)"
	" VALUES (:route, :type, :value, :user_id, :original_value,"
	" CASE WHEN :verified THEN :now END, :now, :now)"
	" ON CONFLICT (route, type, value) DO NOTHING"
};

static Statement delete_unverified = {
	.sql = "DELETE FROM anon_auth.login_ids WHERE route = :route AND type = :type"
	" AND value = :value AND user_id = :user_id AND verified_at IS NULL"
};

static Statement delete_of_user = {
	.sql = "DELETE FROM anon_auth.login_ids WHERE route = :route AND type = :type"
	" AND value = :value AND user_id = :user_id"
};

/* The routes in the user's row name the shards. */
static Statement find_login_ids_of_user = {
	.sql = "SELECT {login_id} FROM anon_auth.login_ids"
	" WHERE route = ANY (:routes) AND user_id = :user_id ORDER BY created_at, type",
	.row = &login_id_record
};

static Statement set_proven = {
	.sql = "UPDATE anon_auth.login_ids SET verified_at = :now, updated_at = :now,"
	" original_value = :original_value"
	" WHERE route = :route AND type = :type AND value = :value"
};

const EnumNames login_id_type_names = {LOGIN_ID_TYPES, login_id_type_texts};

pg_uuid_t
login_ids_route(const LoginId *login_id)
{
	return route_of_text(psprintf("%s:%s", login_id_type_name(login_id->type), login_id->value));
}

bool
login_ids_owner(const LoginId *login_id, pg_uuid_t *user_id)
{
	LoginIdRow	row;

	if (!login_ids_find(login_id, &row))
		return false;
	*user_id = row.user_id;
	return true;
}

bool
login_ids_find(const LoginId *login_id, LoginIdRow *row)
{
	pg_uuid_t	route = login_ids_route(login_id);
	bool		found = statement_fetch(&find_login_id,
										PARAMS(param_uuid("route", &route),
											   param_text("type", login_id_type_name(login_id->type)),
											   param_text("value", login_id->value)),
										row);

	row->verified = found && row->verified_at != 0;
	return found;
}

bool
login_ids_insert(const LoginId *login_id, const pg_uuid_t *user_id, bool verified,
				 TimestampTz now)
{
	pg_uuid_t	route = login_ids_route(login_id);

	return statement_run(&insert_login_id,
						 PARAMS(param_uuid("route", &route),
								param_text("type", login_id_type_name(login_id->type)),
								param_text("value", login_id->value),
								param_uuid("user_id", user_id),
								param_text("original_value", login_id->original_value),
								param_bool("verified", verified),
								param_timestamp("now", now))) > 0;
}

bool
login_ids_delete_unverified(const LoginId *login_id, const pg_uuid_t *user_id)
{
	pg_uuid_t	route = login_ids_route(login_id);

	return statement_run(&delete_unverified,
						 PARAMS(param_uuid("route", &route),
								param_text("type", login_id_type_name(login_id->type)),
								param_text("value", login_id->value),
								param_uuid("user_id", user_id))) > 0;
}

void
login_ids_delete(const LoginId *login_id, const pg_uuid_t *user_id)
{
	pg_uuid_t	route = login_ids_route(login_id);

	statement_run(&delete_of_user, PARAMS(param_uuid("route", &route),
										  param_text("type", login_id_type_name(login_id->type)),
										  param_text("value", login_id->value),
										  param_uuid("user_id", user_id)));
}

bool
login_ids_belong_to(const User *user, const LoginId *login_id)
{
	const ArrayType *routes = user->login_id_routes;
	const pg_uuid_t *items = (const pg_uuid_t *) ARR_DATA_PTR(routes);
	int			count = ArrayGetNItems(ARR_NDIM(routes), ARR_DIMS(routes));
	pg_uuid_t	route = login_ids_route(login_id);
	int			i;

	for (i = 0; i < count; i++)
		if (uuid_equals(&items[i], &route))
			return true;
	return false;
}

/* By the time at which the user got them, then by the names of their types. */
static int
compare_rows(const void *a, const void *b)
{
	const LoginIdRow *one = a;
	const LoginIdRow *other = b;

	if (one->created_at != other->created_at)
		return one->created_at < other->created_at ? -1 : 1;
	return strcmp(login_id_type_name(one->type), login_id_type_name(other->type));
}

/*
 * Read the rows of each route by the key.  The rows of another user can have the same route.  A
 * user of whom only the state was read has no routes, and so no rows here.
 */
static LoginIdRow *
read_by_routes(const User *user, int *count)
{
	const ArrayType *array = user->login_id_routes;
	const pg_uuid_t *routes = array == NULL ? NULL : (const pg_uuid_t *) ARR_DATA_PTR(array);
	int			nroutes = array == NULL ? 0 : ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	LoginIdRow *rows = palloc(sizeof(LoginIdRow));
	int			i;

	*count = 0;
	for (i = 0; i < nroutes; i++)
	{
		int			found;
		int			n;
		LoginIdRow *of_route = statement_fetch_all(&find_route,
												   PARAMS(param_uuid("route", &routes[i])),
												   &found);

		rows = repalloc(rows, sizeof(LoginIdRow) * (*count + found + 1));
		for (n = 0; n < found; n++)
			if (uuid_equals(&of_route[n].user_id, &user->id))
				rows[(*count)++] = of_route[n];
	}
	qsort(rows, *count, sizeof(LoginIdRow), compare_rows);
	return rows;
}

LoginIdRow *
login_ids_of(const User *user, int *count)
{
	LoginIdRow *rows;
	int			i;

	if (placement_is_local())
		rows = read_by_routes(user, count);
	else
		rows = statement_fetch_all(&find_login_ids_of_user,
								   PARAMS(param_uuids("routes", user->login_id_routes),
										  param_uuid("user_id", &user->id)),
								   count);
	for (i = 0; i < *count; i++)
		rows[i].verified = rows[i].verified_at != 0;
	return rows;
}

void
login_ids_set_proven(const LoginId *login_id, const char *original_value, TimestampTz now)
{
	pg_uuid_t	route = login_ids_route(login_id);

	statement_run(&set_proven, PARAMS(param_uuid("route", &route),
									  param_text("type", login_id_type_name(login_id->type)),
									  param_text("value", login_id->value),
									  param_text("original_value", original_value),
									  param_timestamp("now", now)));
}
