/*-------------------------------------------------------------------------
 *
 * login.c
 *	  Login with a login ID and a password.
 *
 * Wrong credentials are a result, not an error, so that the event of a failed login
 * is committed.  An unknown login ID, a wrong password and a disabled user give the
 * same result after the same work, so that neither result nor time tell which
 * login IDs exist.
 *
 * Locking: the password is checked without a lock, because that takes long.  Then
 * users_log_in() locks the user's row, and password_confirm() looks whether the
 * password is still the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/auth_methods.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/login.h"
#include "domain/password.h"
#include "domain/password_attempt.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/settings.h"
#include "store/users.h"

void
login_read_policy(AccountPolicy *policy)
{
	settings_read_account_policy(policy);
}

void
login_record_failure(const Client *client, const pg_uuid_t *user_id, const char *authenticator,
					 const char *reason, TimestampTz now)
{
	events_insert("authentication.failed", user_id, client->client_id,
				  json_to_jsonb(psprintf("{\"authenticator\": \"%s\", \"reason\": \"%s\"}",
										 authenticator, reason)),
				  now);
}

/* user_id NULL: no user has the login ID. */
static void
record_wrong_password(const Client *client, const pg_uuid_t *user_id, const char *reason,
					  TimestampTz now)
{
	counter_statistic_add(COUNTER_WRONG_CREDENTIALS, 1);
	login_record_failure(client, user_id, "password", reason, now);
}

bool
login_with_password(const Client *client, const pg_uuid_t *user_id, const LoginId *login_id,
					const char *password, const AccountPolicy *policy, TimestampTz now,
					User *user)
{
	PasswordAttempt attempt;
	PasswordMatch match;
	const char *failure = NULL;

	password_attempt_begin(&attempt, user_id, user_id == NULL ? login_id->value : NULL);
	if (strlen(password) > PASSWORD_MAX_LENGTH)
		failure = user_id == NULL ? "unknown login ID" : "wrong password";
	else if (!password_attempt_may_hash(&attempt))
	{
		password_wait();
		failure = "unknown login ID";
	}
	else if (!password_check(user_id, password, policy, &match))
		failure = user_id == NULL ? "unknown login ID" : "wrong password";
	else if (!users_log_in(user_id, now, user))
		failure = "user is disabled";
	else if (!password_confirm(user_id, password, policy, &match, now))
		failure = "wrong password";
	else if (login_id != NULL && !login_ids_belong_to(user, login_id))
		failure = "login ID was removed";
	if (failure != NULL)
	{
		record_wrong_password(client, user_id, failure, now);
		password_attempt_failed(&attempt, client->client_id, now);
		return false;
	}
	password_attempt_succeeded(&attempt);
	events_insert("user.authenticated", user_id, client->client_id, NULL, now);
	counter_statistic_at_commit(COUNTER_PASSWORD_LOGINS, 1);
	return true;
}

void
login_fail(const Client *client, const pg_uuid_t *user_id, const char *password,
		   const AccountPolicy *policy, TimestampTz now)
{
	PasswordAttempt attempt;
	PasswordMatch match;

	password_attempt_begin(&attempt, user_id, NULL);
	if (strlen(password) <= PASSWORD_MAX_LENGTH)
		(void) password_check(user_id, password, policy, &match);
	record_wrong_password(client, user_id, "wrong password", now);
	password_attempt_failed(&attempt, client->client_id, now);
}

/* Return the only type that a text can be a login ID of. */
static LoginIdType
guess_login_id_type(const char *login_id)
{
	if (strchr(login_id, '@') != NULL)
		return LOGIN_ID_EMAIL;
	return login_id[strspn(login_id, " ")] == '+' ? LOGIN_ID_PHONE_NUMBER : LOGIN_ID_USERNAME;
}

bool
login_may_be_id(const char *text)
{
	pg_uuid_t	uuid;

	return login_id_is_well_formed(guess_login_id_type(text), text) &&
		!uuid_from_text(text, strlen(text), &uuid);
}

/*
 * Return only the rules that decide which spellings are the same login ID.  Rules
 * that forbid login IDs are left out: if they become stricter, users keep theirs.
 */
static LoginIdPolicy
spelling_rules(const LoginIdPolicy *policy)
{
	LoginIdPolicy result = {0};

	result.email_case_sensitive = policy->email_case_sensitive;
	result.email_ignore_dot_sign = policy->email_ignore_dot_sign;
	return result;
}

bool
login_parse_id(const char *text, const AccountPolicy *policy, LoginId *login_id)
{
	LoginIdPolicy rules = spelling_rules(&policy->login_id);

	login_id->type = guess_login_id_type(text);
	if (login_id_normalise(login_id->type, text, &rules, login_id) == LOGIN_ID_ACCEPTED)
		return true;
	login_id->value = pstrdup(text);
	return false;
}

/*
 * Return the user who has a login ID in *user_id, or NULL.  Fills login_id as
 * login_parse_id() does.
 */
static const pg_uuid_t *
find_owner(const char *text, const AccountPolicy *policy, pg_uuid_t *user_id,
		   LoginId *login_id)
{
	if (login_parse_id(text, policy, login_id) && login_ids_owner(login_id, user_id))
		return user_id;
	return NULL;
}

bool
login_find_user(const char *login_id, pg_uuid_t *user_id)
{
	AccountPolicy policy;
	LoginId		known_as;

	settings_read_account_policy(&policy);
	return find_owner(login_id, &policy, user_id, &known_as) != NULL;
}

bool
login_verify(const Client *client, const char *login_id, const char *password, TimestampTz now,
			 User *user)
{
	AccountPolicy policy;
	LoginId		known_as;
	pg_uuid_t	owner;
	const pg_uuid_t *user_id;

	client_require_first_party(client);
	settings_read_account_policy(&policy);
	user_id = find_owner(login_id, &policy, &owner, &known_as);
	return login_with_password(client, user_id, &known_as, password, &policy, now, user);
}

bool
login_authenticate(const Client *client, const char *login_id, const char *password,
				   const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	User		user;

	if (!login_verify(client, login_id, password, now, &user))
		return false;
	session_start(client, &user, &auth_methods_password, device, now, response);
	return true;
}
