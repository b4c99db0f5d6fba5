/*-------------------------------------------------------------------------
 *
 * password_change.c
 *	  Replacing the password of an account.
 *
 * Locking: passwords are checked and hashed without a lock, because that takes long.
 * Then the user's row is locked, and password_confirm() looks whether the password that
 * was checked is still the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "counters/transaction_counters.h"
#include "domain/message.h"
#include "domain/password.h"
#include "domain/password_attempt.h"
#include "domain/password_change.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/one_time_codes.h"
#include "store/passwords.h"
#include "store/settings.h"

void
password_change_apply(const User *user, const char *hash, const Session *kept, TimestampTz now)
{
	passwords_set(&user->id, hash, now);
	users_set_has_password(&user->id, true, now);
	one_time_codes_delete_all(&user->id);
	if (kept != NULL)
		session_end_others(user, kept, now);
	else
	{
		sessions_delete_all(&user->id, NULL);
		authorization_codes_delete_all(&user->id);
	}
	password_attempt_end_lockout(&user->id);
}

/* A call of password_change_by_user(). */
typedef struct Change
{
	User		user;
	Session		session;
	AccountPolicy policy;
	const char *old_password;	/* NULL: the account has none */
	PasswordAttempt attempt;
	PasswordMatch match;
} Change;

/* Raise the errors that depend on the caller. */
static void
check_caller(Change *change, TimestampTz now)
{
	recent_login_require_account(&change->user, &change->session, now);
	if (change->old_password == NULL && change->user.has_password)
		raise_required("old_password");
}

/* Count the attempt, and return whether the password is right. */
static bool
check_old_password(Change *change)
{
	password_attempt_begin(&change->attempt, &change->user.id, NULL);
	return strlen(change->old_password) <= PASSWORD_MAX_LENGTH &&
		password_check(&change->user.id, change->old_password, &change->policy, &change->match);
}

static void
record_failure(const Change *change, TimestampTz now)
{
	const char *client_id = change->session.client_id;

	counter_statistic_add(COUNTER_WRONG_CREDENTIALS, 1);
	events_insert("authentication.failed", &change->user.id, client_id,
				  json_to_jsonb("{\"authenticator\": \"password\", \"reason\": \"wrong password\"}"),
				  now);
	password_attempt_failed(&change->attempt, client_id, now);
}

bool
password_change_by_user(const User *user, const Session *session, const char *new_password,
						const char *old_password, TimestampTz now)
{
	Change		change = {.user = *user,.session = *session,.old_password = old_password};
	const char *hash;

	check_caller(&change, now);
	settings_read_account_policy(&change.policy);
	password_check_policy(new_password, &change.policy);
	if (old_password != NULL && !check_old_password(&change))
	{
		record_failure(&change, now);
		return false;
	}
	hash = password_make_hash(new_password, &change.policy);
	session_lock_found(now, &change.user, &change.session);
	check_caller(&change, now);
	if (old_password != NULL)
	{
		if (!password_confirm(&change.user.id, old_password, &change.policy, &change.match, now))
		{
			record_failure(&change, now);
			return false;
		}
		password_attempt_succeeded(&change.attempt);
	}
	password_change_apply(&change.user, hash, &change.session, now);
	events_insert("password.changed", &change.user.id, change.session.client_id, NULL, now);
	message_notify_user(&change.user, MESSAGE_PASSWORD_CHANGED, change.session.client_id, now);
	return true;
}
