/*-------------------------------------------------------------------------
 *
 * authorization_codes.c
 *	  Statements on anon_auth.authorization_codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/authorization_codes.h"
#include "store/route.h"
#include "store/statement.h"

RECORD_TYPE(code, AuthorizationCode, AUTHORIZATION_CODE_COLUMNS);

static Statement insert_code = {
	.sql = "INSERT INTO anon_auth.authorization_codes (route, code_hash, {code})"
	" VALUES (:route, :code_hash, {:code})"
};

static Statement find_code = {
	.sql = "SELECT {code} FROM anon_auth.authorization_codes"
	" WHERE route = :route AND code_hash = :code_hash AND user_id = :user_id",
	.row = &code_record
};

/* A code can be used once, because only one of two transactions deletes the row. */
static Statement take_code = {
	.sql = "DELETE FROM anon_auth.authorization_codes"
	" WHERE route = :route AND code_hash = :code_hash AND user_id = :user_id"
};

static Statement delete_of_user = {
	.sql = "DELETE FROM anon_auth.authorization_codes WHERE user_id = :user_id"
};

void
authorization_codes_insert(const uint8 code_hash[SECRET_HASH_LENGTH],
						   const AuthorizationCode *code)
{
	pg_uuid_t	route = route_of_hash(code_hash);

	statement_run(&insert_code,
				  PARAMS(param_uuid("route", &route), param_hash("code_hash", code_hash),
						 param_record(&code_record, code)));
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
authorization_codes_take(const pg_uuid_t *user_id, const uint8 code_hash[SECRET_HASH_LENGTH])
{
	pg_uuid_t	route = route_of_hash(code_hash);

	return statement_run(&take_code,
						 PARAMS(param_uuid("route", &route), param_hash("code_hash", code_hash),
								param_uuid("user_id", user_id))) > 0;
}

void
authorization_codes_delete_all(const pg_uuid_t *user_id)
{
	statement_run(&delete_of_user, PARAMS(param_uuid("user_id", user_id)));
}
