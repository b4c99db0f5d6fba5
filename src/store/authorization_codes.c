/*-------------------------------------------------------------------------
 *
 * authorization_codes.c
 *	  Statements on anon_auth.authorization_codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "store/authorization_codes.h"
#include "store/route.h"
#include "store/statement.h"

/* The columns of an insert, and all that are read. */
RECORD_TYPE(new_code, AuthorizationCode, AUTHORIZATION_CODE_COLUMNS);
RECORD_TYPE(code, AuthorizationCode, AUTHORIZATION_CODE_ROW_COLUMNS);

static Statement insert_code = {
	.sql = "INSERT INTO anon_auth.authorization_codes"
	" (route, code_hash, hint_session_id, source_session_id, {new_code})"
	" VALUES (:route, :code_hash, :hint_session_id, :source_session_id, {:new_code})"
};

static Statement find_code = {
	.sql = "SELECT {code} FROM anon_auth.authorization_codes"
	" WHERE route = :route AND code_hash = :code_hash AND user_id = :user_id",
	.row = &code_record
};

/* Only one of two transactions finds a row whose used_at is null. */
static Statement use_code = {
	.sql = "UPDATE anon_auth.authorization_codes SET used_at = :now, session_id = :session_id"
	" WHERE route = :route AND code_hash = :code_hash AND user_id = :user_id"
	" AND used_at IS NULL"
};

static Statement delete_of_user = {
	.sql = "DELETE FROM anon_auth.authorization_codes WHERE user_id = :user_id",
	.user_table = "authorization_codes"
};

static Statement delete_others = {
	.sql = "DELETE FROM anon_auth.authorization_codes WHERE user_id = :user_id"
	" AND session_id IS DISTINCT FROM :session_id",
	.user_table = "authorization_codes"
};

/* Return a parameter with an id, or with NULL if the id is nil. */
static NamedParam
param_uuid_unless_nil(const char *name, const pg_uuid_t *id)
{
	return param_uuid(name, uuid_is_nil(id) ? NULL : id);
}

void
authorization_codes_insert(const uint8 code_hash[SECRET_HASH_LENGTH],
						   const AuthorizationCode *code)
{
	pg_uuid_t	route = route_of_hash(code_hash);

	statement_run(&insert_code,
				  PARAMS(param_uuid("route", &route), param_hash("code_hash", code_hash),
						 param_uuid_unless_nil("hint_session_id", &code->hint_session_id),
						 param_uuid_unless_nil("source_session_id", &code->source_session_id),
						 param_record(&new_code_record, code)));
}

bool
authorization_codes_find(const pg_uuid_t *user_id, const uint8 code_hash[SECRET_HASH_LENGTH],
						 AuthorizationCode *code)
{
	pg_uuid_t	route = route_of_hash(code_hash);

	return statement_fetch(&find_code,
						   PARAMS(param_uuid("route", &route), param_hash("code_hash", code_hash),
								  param_uuid("user_id", user_id)),
						   code);
}

bool
authorization_codes_use(const pg_uuid_t *user_id, const uint8 code_hash[SECRET_HASH_LENGTH],
						const pg_uuid_t *session_id, TimestampTz now)
{
	pg_uuid_t	route = route_of_hash(code_hash);

	return statement_run(&use_code,
						 PARAMS(param_uuid("route", &route), param_hash("code_hash", code_hash),
								param_uuid("user_id", user_id),
								param_uuid("session_id", session_id),
								param_timestamp("now", now))) > 0;
}

void
authorization_codes_delete_all(const pg_uuid_t *user_id)
{
	statement_run(&delete_of_user, PARAMS(param_uuid("user_id", user_id)));
}

void
authorization_codes_delete_others(const pg_uuid_t *user_id, const pg_uuid_t *session_id)
{
	statement_run(&delete_others, PARAMS(param_uuid("user_id", user_id),
										 param_uuid("session_id", session_id)));
}
