/*-------------------------------------------------------------------------
 *
 * code_login.c
 *	  Login with a code that is sent to an e-mail address or phone number.
 *
 * A message is sent to every address, whether or not a user has it, because its owner
 * may also sign up with the code.  So a request does the same work for every address: it
 * reads the address's login ID, which may be missing, and writes a code, a message and an
 * event.  It locks nothing that was there before.
 *
 * A wrong code writes an event whether or not there is a user.  Only a right code locks
 * the user's row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/auth_methods.h"
#include "domain/client.h"
#include "domain/code_login.h"
#include "domain/login.h"
#include "domain/login_code.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/password.h"
#include "domain/rate_limit.h"
#include "domain/reclaimed_account.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/settings.h"

/* ---- requests ---- */

/*
 * Return the rule by which a text is no login ID that codes can be sent to.  Rules of the
 * settings about spellings of addresses do not count: a user may have had the address
 * before they became stricter.  A type that is not allowed counts, because a site that
 * has no phone numbers sends no messages to them.
 */
static LoginIdReason
reason_not_to_send(const char *text, const AccountPolicy *policy, LoginId *address)
{
	static const LoginIdPolicy no_rules;
	LoginId		unused;
	bool		is_parsed = login_parse_id(text, policy, address);

	if (address->type == LOGIN_ID_USERNAME)
		return LOGIN_ID_NO_ADDRESS;
	if (!is_parsed)
		return login_id_normalise(address->type, text, &no_rules, &unused);
	if (!account_policy_allows(policy, address->type))
		return LOGIN_ID_TYPE_NOT_ALLOWED;
	return LOGIN_ID_ACCEPTED;
}

/* Fill address with a login ID that codes can be sent to, or raise AA010. */
static void
get_address(const char *text, const AccountPolicy *policy, LoginId *address)
{
	LoginIdReason reason = reason_not_to_send(text, policy, address);

	if (reason != LOGIN_ID_ACCEPTED)
		raise_invalid_login_id(login_id_type_name(address->type), login_id_reason_code(reason),
							   login_id_reason_clause(reason, address->type));
	message_require_allowed_country(address, policy);
}

/* Count the request in its limits.  Raises AA018. */
static void
count_request(const LoginId *address, const pg_uuid_t *asker, TimestampTz now)
{
	char	   *subject = psprintf("%s/%s", login_id_type_name(address->type), address->value);
	RateLimits *limits = rate_limit_login_code_request(address->type, subject, asker);
	int64		wait = login_code_time_without_room(address, asker, now);

	if (wait == 0)
		return;
	rate_limit_give_back(limits);
	rate_limit_refuse_login_code(wait);
}

TimestampTz
code_login_send(const LoginId *address, const pg_uuid_t *asker, MessageType type,
				CodeDelivery *delivery, TimestampTz now)
{
	count_request(address, asker, now);
	delivery->recipient = login_code_recipient(address);
	return login_code_send(address, asker, type, delivery, now);
}

static Jsonb *
payload_of_type(LoginIdType type)
{
	return json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}", login_id_type_name(type)));
}

TimestampTz
code_login_request(const Client *client, const char *login_id, const GuestProof *proof,
				   const char *language, TimestampTz now)
{
	return code_login_request_in_flow(client, login_id, proof, language, NULL, now);
}

TimestampTz
code_login_request_in_flow(const Client *client, const char *login_id, const GuestProof *proof,
						   const char *language, const char *flow, TimestampTz now)
{
	CodeDelivery delivery = {.client_id = client->client_id,.language = language,.flow = flow};
	AccountPolicy policy;
	LoginId		address;
	ProvenGuest guest;
	User		user;
	const pg_uuid_t *asker = NULL;
	TimestampTz expires_at;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	client_require_first_party(client);
	settings_read_account_policy(&policy);
	get_address(login_id, &policy, &address);
	if (proof != NULL)
	{
		guest_proof_open(client, proof, false, now, &guest);
		asker = &guest.user.id;

		/* A proof may have read only the state of the user. */
		if (language == NULL && users_find(asker, &user))
			delivery.language = message_language_of_user(&user);
	}
	expires_at = code_login_send(&address, asker, asker != NULL ? MESSAGE_PROMOTION :
								 MESSAGE_LOGIN_CODE, &delivery, now);
	events_insert("login_code.requested", asker, client->client_id,
				  payload_of_type(address.type), now);
	password_wait_since(&begin, LOGIN_CODE_EVEN_USECS);
	return expires_at;
}

/* ---- logins ---- */

bool
code_login_has_account(const LoginId *address)
{
	LoginIdRow	row;

	return login_ids_find(address, &row) && row.verified;
}


/* Fill address with the one of a login ID or, if that is NULL, of the code of a link. */
static bool
find_address(const char *login_id, const char *code, const AccountPolicy *policy,
			 TimestampTz now, LoginId *address)
{
	LoginLink	link;

	if (login_id != NULL)
		return login_parse_id(login_id, policy, address) &&
			address->type != LOGIN_ID_USERNAME;
	if (!login_code_open_link(code, now, &link))
		return false;
	*address = link.address;
	return true;
}

/* The "reason" in the event of a failed login. */
static const char *const failure_reasons[] = {
	[CODE_LOGIN_DONE] = NULL,
	[CODE_LOGIN_WRONG_CODE] = "wrong code",
	[CODE_LOGIN_USER_DISABLED] = "user is disabled",
	[CODE_LOGIN_OTHER_USER] = "another user must log in"
};

/*
 * Log in to the account of an address that the caller has proven.  owner is the user who
 * had the address when the call began; NULL: nobody.
 *
 * The code is used up as soon as it is certain that the account opens, and before its
 * other credentials are removed: of two calls with one code, the second waits for the
 * user's row and then fails.
 */
static CodeLoginResult
open_account(const Client *client, const LoginId *address, const LoginCode *code,
			 const pg_uuid_t *owner, const pg_uuid_t *only_user, TimestampTz now, User *user)
{
	LoginIdRow	row;

	if (owner == NULL)
		raise_no_account(true);
	if (only_user != NULL && !uuid_equals(owner, only_user))
		return CODE_LOGIN_OTHER_USER;
	if (!users_log_in(owner, now, user))
		return CODE_LOGIN_USER_DISABLED;

	/* Another transaction may have taken the address from the user meanwhile. */
	if (!login_ids_find(address, &row) || !uuid_equals(&row.user_id, owner) ||
		(!row.verified && (user->is_verified || !login_code_proves(code, &row))))
		raise_no_account(true);
	if (!login_code_proves(code, &row) || !login_code_use_up(code))
		return CODE_LOGIN_WRONG_CODE;
	if (!row.verified)
		reclaimed_account_reset(client->client_id, address, code->row.recipient, now, user);
	return CODE_LOGIN_DONE;
}

static void
record_login(const Client *client, const User *user, TimestampTz now)
{
	events_insert("user.authenticated", &user->id, client->client_id,
				  json_to_jsonb("{\"authenticator\": \"code\"}"), now);
	counter_statistic_at_commit(COUNTER_CODE_LOGINS, 1);
}

CodeLoginResult
code_login_verify(const Client *client, const char *login_id, const char *code,
				  const pg_uuid_t *only_user, TimestampTz now, User *user, StringList *amr)
{
	CodeLoginResult result = CODE_LOGIN_WRONG_CODE;
	AccountPolicy policy;
	LoginId		address;
	LoginCode	login_code;
	pg_uuid_t	owner;
	bool		is_known = false;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	client_require_first_party(client);
	settings_read_account_policy(&policy);
	rate_limit_code_attempt_by_address();
	if (find_address(login_id, code, &policy, now, &address))
	{
		is_known = login_ids_owner(&address, &owner);
		*amr = address.type == LOGIN_ID_PHONE_NUMBER ? auth_methods_sms_code :
			auth_methods_email_code;
		if (login_code_matches(&address, NULL, code, now, &login_code))
			result = open_account(client, &address, &login_code, is_known ? &owner : NULL,
								  only_user, now, user);
	}
	if (result == CODE_LOGIN_DONE)
		record_login(client, user, now);
	else
	{
		login_record_failure(client, is_known ? &owner : NULL, "code", failure_reasons[result],
							 now);
		password_wait_since(&begin, LOGIN_CODE_EVEN_USECS);
	}
	return result;
}

bool
code_login_authenticate(const Client *client, const char *login_id, const char *code,
						const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	User		user;
	StringList	amr;

	if (code_login_verify(client, login_id, code, NULL, now, &user, &amr) != CODE_LOGIN_DONE)
		return false;
	session_start(client, &user, &amr, device, now, response);
	return true;
}
