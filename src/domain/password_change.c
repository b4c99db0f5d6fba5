/*-------------------------------------------------------------------------
 *
 * password_change.c
 *	  Replacing the password of an account whose owner may have lost it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/password_attempt.h"
#include "domain/password_change.h"
#include "store/authorization_codes.h"
#include "store/one_time_codes.h"
#include "store/passwords.h"
#include "store/sessions.h"

void
password_change_apply(const pg_uuid_t *user_id, const char *hash, TimestampTz now)
{
	passwords_set(user_id, hash, now);
	users_set_has_password(user_id, true, now);
	sessions_delete_all(user_id, NULL);
	authorization_codes_delete_all(user_id);
	one_time_codes_delete_all(user_id);
	password_attempt_end_lockout(user_id);
}
