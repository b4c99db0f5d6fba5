/*-------------------------------------------------------------------------
 *
 * account_request.c
 *	  What a promotion or sign-up asks for: login IDs, a password, an identity at
 *	  another provider, and proofs that they are the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "domain/account_request.h"
#include "domain/auth_methods.h"
#include "domain/login.h"
#include "domain/password.h"
#include "domain/rate_limit.h"
#include "domain/unproven_address.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/passwords.h"
#include "utils/array.h"
#include "utils/builtins.h"

void
account_request_set_login_id(AccountRequest *request, char *login_id)
{
	AccountPolicy policy;
	LoginId		guess;

	login_read_policy(&policy);
	(void) login_parse_id(login_id, &policy, &guess);
	request->login_ids[guess.type] = login_id;
}

/* ---- checking ---- */

static void
require_accepted(LoginIdReason reason, LoginIdType type)
{
	if (reason != LOGIN_ID_ACCEPTED)
		raise_invalid_login_id(login_id_type_name(type), login_id_reason_code(reason),
							   login_id_reason_clause(reason, type));
}

static void
add_login_id(AccountPlan *plan, LoginIdType type, const char *text, bool is_proven)
{
	require_accepted(account_policy_allows(&plan->policy, type) ?
					 login_id_normalise(type, text, &plan->policy.login_id,
										&plan->login_ids[plan->count]) :
					 LOGIN_ID_TYPE_NOT_ALLOWED, type);
	plan->is_proven[plan->count++] = is_proven;
}

/* Return the position of the login ID of a type, or -1. */
static int
find_type(const AccountPlan *plan, LoginIdType type)
{
	int			i;

	for (i = 0; i < plan->count; i++)
		if (plan->login_ids[i].type == type)
			return i;
	return -1;
}

/*
 * Add the address of a link's code, which is not given.  False if the code is not valid.
 */
static bool
add_address_of_link(AccountPlan *plan, const char *code, TimestampTz now)
{
	LoginLink	link;

	if (!login_code_open_link(code, now, &link))
		return false;
	add_login_id(plan, link.address.type, link.row.recipient, false);
	return true;
}

/*
 * Check the code.  The message may have gone to another spelling of the address than the
 * given one; the account gets the spelling that is proven.
 */
static bool
check_code(AccountPlan *plan, const char *code, const pg_uuid_t *asker, TimestampTz now)
{
	int			email = find_type(plan, LOGIN_ID_EMAIL);
	int			phone_number = find_type(plan, LOGIN_ID_PHONE_NUMBER);
	int			position = Max(email, phone_number);
	bool		names_address = position < 0 && login_code_is_of_link(code);

	if (!names_address && (email < 0) == (phone_number < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("code needs exactly one of email and phone_number"),
				 errhint("A code proves the address that it was sent to. Only the long code of a link names it.")));
	rate_limit_code_attempt_by_address();
	if (names_address)
	{
		if (!add_address_of_link(plan, code, now))
			return false;
		position = plan->count - 1;
	}
	if (!login_code_matches(&plan->login_ids[position], asker, code, now, &plan->code))
		return false;
	plan->code_address = &plan->login_ids[position];
	plan->is_proven[position] = true;
	plan->login_ids[position].original_value = plan->code.row.recipient;
	return true;
}

/*
 * Open the ID token.  An address that it proves becomes a login ID, unless another one is
 * given, or it is no address.  An account that must not have e-mail addresses does not get
 * it.
 */
static bool
check_id_token(AccountPlan *plan, const char *id_token, const char *nonce, TimestampTz now)
{
	int			given = find_type(plan, LOGIN_ID_EMAIL);
	LoginIdPolicy any = {0};
	LoginId		proven;

	provider_id_token_open(id_token, nonce, now, &plan->identity);
	plan->has_identity = true;
	plan->identity_state = federated_identity_find(&plan->identity, now, &plan->identity_row);
	if (plan->identity_state == FEDERATED_IDENTITY_REPLAYED)
		return false;
	if (!plan->identity.email_is_proven || !account_policy_allows(&plan->policy, LOGIN_ID_EMAIL) ||
		login_id_normalise(LOGIN_ID_EMAIL, plan->identity.email, &any, &proven) != LOGIN_ID_ACCEPTED)
		return true;
	if (given < 0)
		add_login_id(plan, LOGIN_ID_EMAIL, plan->identity.email, true);
	else if (login_id_normalise(LOGIN_ID_EMAIL, plan->identity.email, &plan->policy.login_id,
								&proven) == LOGIN_ID_ACCEPTED &&
			 strcmp(proven.value, plan->login_ids[given].value) == 0)
		plan->is_proven[given] = true;
	return true;
}

/*
 * Read the response for a passkey.  A new passkey is for the guest, or for the account that
 * its challenge names; it is for no account that exists.
 */
static void
check_passkey(AccountPlan *plan, Jsonb *passkey, TimestampTz now)
{
	passkey_response_read(passkey, now, &plan->passkey);
	plan->has_passkey = true;
	if (!plan->passkey.creates)
	{
		passkey_find(&plan->passkey, &plan->passkey_row);
		if (plan->asker != NULL && uuid_equals(&plan->passkey_row.user_id, plan->asker))
			raise_invalid_passkey(PASSKEY_OWN, NULL);
	}
	else if (plan->asker != NULL)
		passkey_require_user(&plan->passkey, plan->asker);
	else if (plan->passkey.challenge.challenge.purpose != CHALLENGE_PASSKEY_SIGN_UP)
		raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was issued for another purpose.");
}

void
account_request_require_proofs(const AccountPlan *plan)
{
	int			i;

	if (plan->policy.login_id_verification != LOGIN_ID_VERIFICATION_REQUIRED)
		return;
	for (i = 0; i < plan->count; i++)
		if (plan->login_ids[i].type != LOGIN_ID_USERNAME && !plan->is_proven[i])
			require_accepted(LOGIN_ID_NOT_PROVEN, plan->login_ids[i].type);
}

bool
account_request_check(const AccountRequest *request, const Client *client,
					  const pg_uuid_t *asker, TimestampTz now, AccountPlan *plan)
{
	instr_time	begin;
	int			type;

	INSTR_TIME_SET_CURRENT(begin);
	memset(plan, 0, sizeof(AccountPlan));
	settings_read_account_policy(&plan->policy);
	plan->asker = asker;
	plan->password = request->password;
	if (request->password == NULL && request->code == NULL && request->id_token == NULL &&
		request->passkey == NULL)
		raise_required("password");
	if (request->nonce != NULL && request->id_token == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nonce needs id_token")));
	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (request->login_ids[type] != NULL)
			add_login_id(plan, type, request->login_ids[type], false);
	if (plan->count == 0 && request->id_token == NULL && request->passkey == NULL &&
		(request->code == NULL || !login_code_is_of_link(request->code)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a login ID is required"),
				 errhint("Give at least one of email, phone_number and username.")));
	if (request->passkey != NULL)
		check_passkey(plan, request->passkey, now);
	if (request->code != NULL && !check_code(plan, request->code, asker, now))
	{
		login_record_failure(client, asker, "code", "wrong code", now);
		password_wait_since(&begin, LOGIN_CODE_EVEN_USECS);
		return false;
	}
	if (request->id_token != NULL && !check_id_token(plan, request->id_token, request->nonce, now))
	{
		login_record_failure(client, asker, "id_token", "ID token was used before", now);
		return false;
	}
	return true;
}

void
account_request_plan_import(char *const *login_ids, bool verified, AccountPlan *plan)
{
	int			type;

	memset(plan, 0, sizeof(AccountPlan));
	settings_read_account_policy(&plan->policy);
	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (login_ids[type] != NULL)
			add_login_id(plan, type, login_ids[type], verified && type != LOGIN_ID_USERNAME);
}

/* ---- conflicts ---- */

/*
 * Whether the request proves the verified address of an account: with the code, or with
 * the ID token of a provider that is trusted for addresses.
 */
static bool
proves_account(const AccountPlan *plan, int i, const LoginIdRow *row)
{
	if (!row->verified || !plan->is_proven[i])
		return false;
	if (plan->code_address == &plan->login_ids[i])
		return login_code_proves(&plan->code, row);
	return federated_identity_proves(&plan->identity, row);
}

/* Note that an account is in the way. */
static void
add_existing(ExistingAccount *account, bool *found, const pg_uuid_t *id, bool is_proven,
			 const char *type, bool may_log_in)
{
	if (!may_log_in || (*found && memcmp(&account->id, id, UUID_LEN) != 0))
		raise_identity_exists(type);
	account->is_proven = is_proven || (*found && account->is_proven);
	account->id = *id;
	account->type = type;
	*found = true;
}

const LoginIdRow *
account_request_holder(AccountPlan *plan, int i)
{
	LoginIdRow *row = &plan->holders[i];

	if (!plan->is_read[i] && !login_ids_find(&plan->login_ids[i], row))
		row->value = NULL;
	plan->is_read[i] = true;
	return row->value != NULL ? row : NULL;
}

bool
account_request_find_existing(AccountPlan *plan, bool may_log_in, ExistingAccount *account)
{
	bool		found = false;
	int			i;

	for (i = 0; i < plan->count; i++)
	{
		const LoginIdRow *row = account_request_holder(plan, i);

		if (row == NULL || (plan->is_proven[i] && !row->verified))
			continue;
		add_existing(account, &found, &row->user_id, proves_account(plan, i, row),
					 login_id_type_name(plan->login_ids[i].type), may_log_in);
	}
	if (plan->has_identity && plan->identity_state == FEDERATED_IDENTITY_KNOWN)
		add_existing(account, &found, &plan->identity_row.user_id, true,
					 FEDERATED_IDENTITY_TYPE, may_log_in);
	if (plan->has_passkey && !plan->passkey.creates)
		add_existing(account, &found, &plan->passkey_row.user_id, true, PASSKEY_IDENTITY_TYPE,
					 may_log_in);
	return found;
}

StringList
account_request_methods(const AccountPlan *plan)
{
	if (plan->code_address != NULL)
		return plan->code_address->type == LOGIN_ID_PHONE_NUMBER ? auth_methods_sms_code :
			auth_methods_email_code;
	if (plan->has_identity)
		return auth_methods_none;
	return plan->has_passkey ? passkey_methods(&plan->passkey) : auth_methods_password;
}

/* ---- making the account ---- */

bool
account_request_use_code(const AccountPlan *plan, const Client *client, TimestampTz now)
{
	if (plan->code_address == NULL || login_code_use_up(&plan->code))
		return true;
	login_record_failure(client, plan->asker, "code", "wrong code", now);
	return false;
}

void
account_request_take_addresses(AccountPlan *plan, const char *client_id, TimestampTz now)
{
	int			i;

	for (i = 0; i < plan->count; i++)
		if (plan->is_proven[i] &&
			(plan->password != NULL || account_request_holder(plan, i) != NULL))
			unproven_address_take(&plan->login_ids[i], client_id, now);
}

/* Return the routes of the login IDs, by which their rows are found, as uuid[]. */
static ArrayType *
make_routes(const AccountPlan *plan)
{
	Datum		items[LOGIN_ID_TYPES];
	int			i;

	for (i = 0; i < plan->count; i++)
	{
		pg_uuid_t  *route = palloc(sizeof(pg_uuid_t));

		*route = login_ids_route(&plan->login_ids[i]);
		items[i] = UUIDPGetDatum(route);
	}
	return construct_array(items, plan->count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* Return the login IDs as standard attributes, by their names in OpenID Connect. */
static Jsonb *
make_attributes(const AccountPlan *plan)
{
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	for (i = 0; i < plan->count; i++)
		json_add_string(&json, login_id_claim(plan->login_ids[i].type),
						plan->login_ids[i].value);
	json_close(&json);
	return json_to_jsonb(json.data);
}

void
account_request_fill_state(const AccountPlan *plan, AccountState *state)
{
	int			i;

	memset(state, 0, sizeof(AccountState));
	for (i = 0; i < plan->count; i++)
		state->is_verified |= plan->is_proven[i];
	state->has_password = plan->password != NULL;
	state->login_id_routes = make_routes(plan);
	state->standard_attributes = make_attributes(plan);
}

/*
 * Another transaction took something of the account meanwhile.  Without an account, the
 * code has not been of use, so it is not used up.
 */
pg_noreturn static void
raise_taken(const AccountPlan *plan, bool is_proven, const char *type)
{
	if (plan->code_address != NULL)
		login_code_give_back(&plan->code);
	if (plan->asker == NULL && is_proven)
		raise_account_exists(plan->code_address != NULL ||
							 strcmp(type, FEDERATED_IDENTITY_TYPE) == 0);
	(void) rate_limit_login_id_conflict();
	raise_identity_exists(type);
}

/* Return false if another account has the login ID. */
static bool
insert_login_id(const AccountPlan *plan, int i, const char *client_id,
				const pg_uuid_t *user_id, TimestampTz now)
{
	const LoginId *login_id = &plan->login_ids[i];

	if (login_ids_insert(login_id, user_id, plan->is_proven[i], now))
		return true;
	if (plan->asker == NULL || !plan->is_proven[i])
		return false;
	unproven_address_take(login_id, client_id, now);
	return login_ids_insert(login_id, user_id, true, now);
}

void
account_request_insert(const AccountPlan *plan, const char *client_id,
					   const pg_uuid_t *user_id, const char *password_hash, TimestampTz now)
{
	int			i;

	for (i = 0; i < plan->count; i++)
		if (!insert_login_id(plan, i, client_id, user_id, now))
			raise_taken(plan, plan->is_proven[i], login_id_type_name(plan->login_ids[i].type));
	if (password_hash != NULL)
		passwords_insert(user_id, password_hash, now);
	if (plan->has_identity && !federated_identity_insert(&plan->identity, user_id, now))
		raise_taken(plan, true, FEDERATED_IDENTITY_TYPE);
	if (plan->has_passkey)
		passkey_insert(&plan->passkey, user_id, NULL, now);
}

Jsonb *
account_request_event(const AccountPlan *plan)
{
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	json_add_name(&json, "login_id_types");
	appendStringInfoChar(&json, '[');
	for (i = 0; i < plan->count; i++)
		appendStringInfo(&json, "%s\"%s\"", i > 0 ? ", " : "",
						 login_id_type_name(plan->login_ids[i].type));
	appendStringInfoChar(&json, ']');
	if (plan->has_identity)
		json_add_string(&json, "issuer", plan->identity.issuer);
	if (plan->has_passkey)
		json_add_boolean(&json, "passkey", true);
	json_close(&json);
	return json_to_jsonb(json.data);
}
