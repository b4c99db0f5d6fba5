/*-------------------------------------------------------------------------
 *
 * passwords.c
 *	  Statements on anon_auth.passwords.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/passwords.h"
#include "store/statement.h"

RECORD_TYPE(password, PasswordRow, PASSWORD_COLUMNS);

static Statement find_password = {
	.sql = "SELECT {password} FROM anon_auth.passwords WHERE user_id = :user_id",
	.row = &password_record,
	.key_table = "passwords"
};

static Statement insert_password = {
	.sql = "INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at)"
	" VALUES (:user_id, :hash, :now, :now)"
};

static Statement set_password = {
	.sql = "INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at)"
	" VALUES (:user_id, :hash, :now, :now) ON CONFLICT (user_id) DO UPDATE"
	" SET password_hash = excluded.password_hash, updated_at = excluded.updated_at"
};

/* For hashing a password again with the current cost: a changed password must win. */
static Statement replace_password = {
	.sql = "UPDATE anon_auth.passwords SET password_hash = :hash, updated_at = :now"
	" WHERE user_id = :user_id AND password_hash = :old_hash"
};

static Statement delete_password = {
	.sql = "DELETE FROM anon_auth.passwords WHERE user_id = :user_id"
};

bool
passwords_find(const pg_uuid_t *user_id, PasswordRow *password)
{
	return statement_fetch(&find_password, PARAMS(param_uuid("user_id", user_id)), password);
}

void
passwords_insert(const pg_uuid_t *user_id, const char *hash, TimestampTz now)
{
	statement_run(&insert_password,
				  PARAMS(param_uuid("user_id", user_id), param_text("hash", hash),
						 param_timestamp("now", now)));
}

void
passwords_set(const pg_uuid_t *user_id, const char *hash, TimestampTz now)
{
	statement_run(&set_password,
				  PARAMS(param_uuid("user_id", user_id), param_text("hash", hash),
						 param_timestamp("now", now)));
}

void
passwords_replace(const pg_uuid_t *user_id, const char *old_hash, const char *hash,
				  TimestampTz now)
{
	statement_run(&replace_password,
				  PARAMS(param_uuid("user_id", user_id), param_text("old_hash", old_hash),
						 param_text("hash", hash), param_timestamp("now", now)));
}

void
passwords_delete(const pg_uuid_t *user_id)
{
	statement_run(&delete_password, PARAMS(param_uuid("user_id", user_id)));
}
