/*-------------------------------------------------------------------------
 *
 * own_login_ids.c
 *	  The login IDs that the user of an account adds and removes.
 *
 * Locking: where the address has to be taken from another account, the account with the
 * lower id is locked first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "domain/account_login_ids.h"
#include "domain/code_login.h"
#include "domain/credentials.h"
#include "domain/login_code.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/own_login_ids.h"
#include "domain/password.h"
#include "domain/rate_limit.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "domain/unproven_address.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/settings.h"

pg_noreturn static void
refuse_login_id(LoginIdType type, LoginIdReason reason)
{
	raise_invalid_login_id(login_id_type_name(type), login_id_reason_code(reason),
						   login_id_reason_clause(reason, type));
}

/* Fill login_id from a text that the settings allow as a new login ID, or raise AA010. */
static void
get_new_login_id(LoginIdType type, const char *value, const AccountPolicy *policy,
				 LoginId *login_id)
{
	LoginIdReason reason = LOGIN_ID_TYPE_NOT_ALLOWED;

	if (account_policy_allows(policy, type))
		reason = login_id_normalise(type, value, &policy->login_id, login_id);
	if (reason != LOGIN_ID_ACCEPTED)
		refuse_login_id(type, reason);
}

/* The payload of an event about a login ID. */
static Jsonb *
payload_of(LoginIdType type, bool verified)
{
	return json_to_jsonb(psprintf("{\"login_id_type\": \"%s\", \"verified\": %s}",
								  login_id_type_name(type), verified ? "true" : "false"));
}

LoginIdRow *
own_login_ids_list(const User *user, int *count)
{
	return login_ids_of(user, count);
}

/* ---- codes ---- */

TimestampTz
own_login_ids_request_code(const User *user, const Session *session, LoginIdType type,
						   const char *value, const char *language, TimestampTz now)
{
	CodeDelivery delivery = {.client_id = session->client_id,.language = language};
	AccountPolicy policy;
	LoginId		address;
	TimestampTz expires_at;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	recent_login_require_account(user, session, now);
	settings_read_account_policy(&policy);
	get_new_login_id(type, value, &policy, &address);
	message_require_allowed_country(&address, &policy);
	if (language == NULL)
		delivery.language = message_language_of_user(user);
	expires_at = code_login_send(&address, &user->id, MESSAGE_VERIFICATION, &delivery, now);
	events_insert("login_code.requested", &user->id, session->client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}", login_id_type_name(type))),
				  now);
	password_wait_since(&begin, LOGIN_CODE_EVEN_USECS);
	return expires_at;
}

/* ---- adding ---- */

/* A call of own_login_ids_add(). */
typedef struct Addition
{
	User		user;
	Session		session;
	AccountPolicy policy;
	LoginId		login_id;
	bool		is_proven;
	LoginCode	code;
} Addition;

static void
record_wrong_code(const Addition *addition, TimestampTz now)
{
	events_insert("authentication.failed", &addition->user.id, addition->session.client_id,
				  json_to_jsonb("{\"authenticator\": \"code\", \"reason\": \"wrong code\"}"), now);
}

/* Note whether the code is right, and the spelling of the address that it proves. */
static void
check_code(Addition *addition, const char *code, TimestampTz now)
{
	rate_limit_code_attempt_by_address();
	if (!login_code_matches(&addition->login_id, &addition->user.id, code, now, &addition->code))
		return;
	addition->is_proven = true;
	addition->login_id.original_value = addition->code.row.recipient;
}

/* Use up the code, if there is one.  Return false if another transaction has. */
static bool
use_code(const Addition *addition, TimestampTz now)
{
	if (!addition->is_proven || login_code_use_up(&addition->code))
		return true;
	record_wrong_code(addition, now);
	return false;
}

/* Keep the lock order if the address will be taken from an account with a lower id. */
static void
lock_claimant(const Addition *addition)
{
	LoginIdRow	row;

	if (addition->is_proven && login_ids_find(&addition->login_id, &row) && !row.verified &&
		memcmp(&row.user_id, &addition->user.id, UUID_LEN) < 0)
		(void) users_lock(&row.user_id);
}

/* Return the row of the login ID if the account has it, or NULL, and all rows. */
static const LoginIdRow *
find_own_row(const Addition *addition, LoginIdRow **rows, int *count)
{
	*rows = login_ids_of(&addition->user, count);
	return account_login_ids_find(*rows, *count, &addition->login_id);
}

/* The account has the unverified login ID.  Return false if the code was used up meanwhile. */
static bool
verify_own(const Addition *addition, const LoginIdRow *row, TimestampTz now)
{
	if (!addition->is_proven)
		return true;
	if (!use_code(addition, now))
		return false;
	account_login_ids_verify(&addition->user, row, addition->login_id.original_value, now);
	events_insert("login_id.verified", &addition->user.id, addition->session.client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}",
										 login_id_type_name(row->type))),
				  now);
	return true;
}

/* Raise AA010 unless the account can have the login ID beside those that it has. */
static void
require_room(const Addition *addition, const LoginIdRow *rows, int count)
{
	LoginIdType type = addition->login_id.type;
	int			same_type = 0;
	int			i;

	for (i = 0; i < count; i++)
		same_type += rows[i].type == type;
	if (same_type >= LOGIN_IDS_PER_TYPE)
		refuse_login_id(type, LOGIN_ID_TOO_MANY);
	if (!addition->is_proven && type != LOGIN_ID_USERNAME &&
		addition->policy.login_id_verification == LOGIN_ID_VERIFICATION_REQUIRED)
		refuse_login_id(type, LOGIN_ID_NOT_PROVEN);
}

/*
 * Raise AA009 if another account has the login ID.  Look-ups and conflicts count as those of
 * promotions do.  An account that claims a proven address without proof is not in the way.
 */
static void
require_free(const Addition *addition)
{
	RateLimits *conflict;
	LoginIdRow	row;

	rate_limit_login_id_lookup();
	conflict = rate_limit_login_id_conflict();
	if (login_ids_find(&addition->login_id, &row) && (row.verified || !addition->is_proven))
		raise_identity_exists(login_id_type_name(row.type));
	rate_limit_give_back(conflict);
}

/*
 * Return false if another account has the login ID.  One that has claimed a proven address
 * since require_free() loses it, too.
 */
static bool
insert_new(const Addition *addition, TimestampTz now)
{
	if (account_login_ids_add(&addition->user, &addition->login_id, addition->is_proven, now))
		return true;
	if (!addition->is_proven)
		return false;
	unproven_address_take(&addition->login_id, addition->session.client_id, now);
	return account_login_ids_add(&addition->user, &addition->login_id, true, now);
}

/* Return false if the code was used up meanwhile. */
static bool
add_new(const Addition *addition, TimestampTz now)
{
	const User *user = &addition->user;
	const LoginId *login_id = &addition->login_id;
	const char *client_id = addition->session.client_id;

	if (!use_code(addition, now))
		return false;
	if (addition->is_proven)
		unproven_address_take(login_id, client_id, now);
	if (!insert_new(addition, now))
	{
		if (addition->is_proven)
			login_code_give_back(&addition->code);
		(void) rate_limit_login_id_conflict();
		raise_identity_exists(login_id_type_name(login_id->type));
	}
	events_insert("login_id.added", &user->id, client_id,
				  payload_of(login_id->type, addition->is_proven), now);
	/* The user as it was: not to the new address. */
	message_notify_user(user, MESSAGE_LOGIN_ID_ADDED, client_id, now);
	return true;
}

bool
own_login_ids_add(const User *user, const Session *session, LoginIdType type,
				  const char *value, const char *code, TimestampTz now)
{
	Addition	addition = {.user = *user,.session = *session};
	const LoginIdRow *own;
	LoginIdRow *rows;
	int			count;

	recent_login_require_account(&addition.user, &addition.session, now);
	settings_read_account_policy(&addition.policy);
	get_new_login_id(type, value, &addition.policy, &addition.login_id);
	own = find_own_row(&addition, &rows, &count);
	if (own != NULL && own->verified)
		return true;
	if (code != NULL)
		check_code(&addition, code, now);
	lock_claimant(&addition);
	session_lock_found(now, &addition.user, &addition.session);
	own = find_own_row(&addition, &rows, &count);
	/* The first call of a repeated one may have used up the code, and committed only now. */
	if (own != NULL && own->verified)
		return true;
	if (code != NULL && !addition.is_proven)
	{
		record_wrong_code(&addition, now);
		return false;
	}
	if (own != NULL)
		return verify_own(&addition, own, now);
	require_room(&addition, rows, count);
	require_free(&addition);
	return add_new(&addition, now);
}

/* ---- removing ---- */

/*
 * Return the user's login ID that a text names, or NULL.  Rules that forbid login IDs do not
 * count: the user may have had it before they became stricter.
 */
static const LoginIdRow *
find_own(const User *user, LoginIdType type, const char *value)
{
	AccountPolicy policy;
	LoginIdPolicy rules = {0};
	LoginId		given;
	const LoginIdRow *row = NULL;
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	settings_read_account_policy(&policy);
	rules.email_case_sensitive = policy.login_id.email_case_sensitive;
	rules.email_ignore_dot_sign = policy.login_id.email_ignore_dot_sign;
	if (login_id_normalise(type, value, &rules, &given) == LOGIN_ID_ACCEPTED)
		row = account_login_ids_find(rows, count, &given);
	for (i = 0; i < count && row == NULL; i++)
		if (rows[i].type == type && strcmp(rows[i].value, value) == 0)
			row = &rows[i];
	return row;
}

static void
require_other_credential(const User *user, const LoginIdRow *row)
{
	Credentials credentials;

	credentials_of(user, &credentials);
	if (!credentials_open_account_without(&credentials, row))
		raise_last_credential();
}

bool
own_login_ids_remove(const User *user, const Session *session, LoginIdType type,
					 const char *value, TimestampTz now)
{
	const LoginIdRow *row;
	User		changed;

	recent_login_require_account(user, session, now);
	row = find_own(user, type, value);
	if (row == NULL)
		return false;
	require_other_credential(user, row);
	one_time_codes_delete_all(&user->id);
	if (row->verified)
		session_end_others(user, session, now);
	account_login_ids_remove(user, row, now);
	events_insert("login_id.removed", &user->id, session->client_id,
				  payload_of(type, row->verified), now);
	if (users_find(&user->id, &changed))
		message_notify_user(&changed, MESSAGE_LOGIN_ID_REMOVED, session->client_id, now);
	if (row->verified)
		message_notify_address(user, row, MESSAGE_LOGIN_ID_REMOVED, session->client_id, now);
	return true;
}
