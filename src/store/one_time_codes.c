/*-------------------------------------------------------------------------
 *
 * one_time_codes.c
 *	  Statements on anon_auth.one_time_codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/one_time_codes.h"
#include "store/statement.h"

RECORD_TYPE(code_key, OneTimeCodeKey, ONE_TIME_CODE_KEY_COLUMNS);
RECORD_TYPE(code, OneTimeCode, ONE_TIME_CODE_COLUMNS);

#define SAME_KEY \
	"user_id = :user_id AND purpose = :purpose AND login_id_type = :login_id_type"

static Statement replace_code = {
	.sql = "INSERT INTO anon_auth.one_time_codes ({code_key}, {code})"
	" VALUES ({:code_key}, {:code})"
	" ON CONFLICT (user_id, purpose, login_id_type) DO UPDATE"
	" SET code_hash = excluded.code_hash,"
	" created_at = excluded.created_at, expires_at = excluded.expires_at"
};

static Statement find_code = {
	.sql = "SELECT {code} FROM anon_auth.one_time_codes WHERE " SAME_KEY " AND expires_at > :now",
	.row = &code_record
};

/* created_at makes sure that a code that replaced the one that was read stays. */
static Statement delete_code = {
	.sql = "DELETE FROM anon_auth.one_time_codes WHERE " SAME_KEY " AND created_at = :created_at"
};

static Statement delete_codes = {
	.sql = "DELETE FROM anon_auth.one_time_codes WHERE user_id = :user_id",
	.user_table = "one_time_codes"
};

static const char *const code_purposes[] = {
	[CODE_VERIFICATION] = "login_id_verification",
	[CODE_PASSWORD_RESET] = "password_reset"
};

const EnumNames code_purpose_names = {lengthof(code_purposes), code_purposes};

void
one_time_codes_replace(const OneTimeCodeKey *key, const OneTimeCode *code)
{
	statement_run(&replace_code,
				  PARAMS(param_record(&code_key_record, key), param_record(&code_record, code)));
}

bool
one_time_codes_find(const OneTimeCodeKey *key, TimestampTz now, OneTimeCode *code)
{
	return statement_fetch(&find_code, PARAMS(param_record(&code_key_record, key),
											  param_timestamp("now", now)),
						   code);
}

bool
one_time_codes_delete(const OneTimeCodeKey *key, TimestampTz created_at)
{
	return statement_run(&delete_code, PARAMS(param_record(&code_key_record, key),
											  param_timestamp("created_at", created_at))) > 0;
}

void
one_time_codes_delete_all(const pg_uuid_t *user_id)
{
	statement_run(&delete_codes, PARAMS(param_uuid("user_id", user_id)));
}
