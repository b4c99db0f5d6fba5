/*-------------------------------------------------------------------------
 *
 * sign_up.c
 *	  Sign-ups: what those of guests and of accounts have in common, and accounts
 *	  that were never guests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "counters/transaction_counters.h"
#include "domain/client.h"
#include "domain/hook.h"
#include "domain/password.h"
#include "domain/session.h"
#include "domain/sign_up.h"
#include "json/raise_json.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/settings.h"
#include "store/users.h"

RateLimits *
sign_up_admit(const pg_uuid_t *user_id, const char *client_id, Jsonb *device_info)
{
	const Settings *settings = settings_get();
	RateLimits *limits;

	if (!settings->public_sign_up_enabled)
		raise_sign_up_closed();
	limits = rate_limit_sign_up();
	PG_TRY();
	{
		hook_before_sign_up(settings->before_sign_up, user_id, client_id, device_info);
	}
	PG_CATCH();
	{
		/* A sign-up that the hook refuses does not count. */
		rate_limit_give_back(limits);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return limits;
}

/*
 * Return whether an account has a proven address of the request.  That is also one which
 * claims the address of the code, if it has no verified one: a login with the code opens it.
 */
static bool
has_account(AccountPlan *plan, int i)
{
	const LoginIdRow *row;
	User		claimant;

	if (!plan->is_proven[i] || (row = account_request_holder(plan, i)) == NULL)
		return false;
	return row->verified ||
		(plan->code_address == &plan->login_ids[i] && login_code_proves(&plan->code, row) &&
		 users_find(&row->user_id, &claimant) && !claimant.is_verified);
}

/*
 * Return whether a login opens the account of a proven address.  The ID token that proves
 * an address does so only if the account also has the identity.
 */
static bool
opens_account(const AccountPlan *plan, int i)
{
	return plan->code_address == &plan->login_ids[i] ||
		(plan->has_identity && plan->identity_state == FEDERATED_IDENTITY_KNOWN);
}

/*
 * Raise AA030 if an account has what the request proves, and AA009 if it has something that
 * the request only names.
 */
static void
refuse_existing_account(AccountPlan *plan)
{
	ExistingAccount account = {0};
	RateLimits *conflict;
	int			i;

	for (i = 0; i < plan->count; i++)
	{
		rate_limit_login_id_lookup();
		if (has_account(plan, i))
			raise_account_exists(opens_account(plan, i));
	}
	conflict = rate_limit_login_id_conflict();
	if (account_request_find_existing(plan, true, &account) && !account.is_proven)
		(void) account_request_find_existing(plan, false, &account);
	rate_limit_give_back(conflict);
	if (account.is_proven)
		raise_account_exists(true);
}

pg_noreturn static void
raise_passkey_id_used(void)
{
	raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was used before.");
}

/* Return the id of the account.  The authenticator has stored it with a new passkey. */
static pg_uuid_t
new_id(const AccountPlan *plan, TimestampTz now)
{
	pg_uuid_t	id;
	User		user;

	if (!plan->has_passkey)
		return users_new_id(NULL, now);
	memcpy(id.data, plan->passkey.challenge.user_id, UUID_LEN);
	if (users_find(&id, &user))
		raise_passkey_id_used();
	return id;
}

/* Return false if another transaction has used the code. */
static bool
make_account(const Client *client, AccountPlan *plan, Jsonb *device_info, TimestampTz now,
			 User *user)
{
	pg_uuid_t	id = new_id(plan, now);
	char	   *hash = plan->password == NULL ? NULL :
		password_make_hash(plan->password, &plan->policy);
	AccountState state;
	RateLimits *limits;

	limits = sign_up_admit(&id, client->client_id, device_info);
	if (!account_request_use_code(plan, client, now))
	{
		rate_limit_give_back(limits);
		return false;
	}
	account_request_take_addresses(plan, client->client_id, now);
	account_request_fill_state(plan, &state);
	/* Only the id that an authenticator has stored can be in use. */
	if (!users_insert_account(&id, &state, now, user))
		raise_passkey_id_used();
	account_request_insert(plan, client->client_id, &id, hash, now);
	events_insert("user.created", &id, client->client_id, account_request_event(plan), now);
	counter_statistic_at_commit(COUNTER_SIGN_UPS, 1);
	return true;
}

bool
sign_up_make_account(const Client *client, const AccountRequest *request, Jsonb *device_info,
					 TimestampTz now, User *user, StringList *methods)
{
	AccountPlan plan;

	client_require_first_party(client);
	if (!settings_get()->public_sign_up_enabled)
		raise_sign_up_closed();
	if (!account_request_check(request, client, NULL, now, &plan))
		return false;
	account_request_require_proofs(&plan);
	refuse_existing_account(&plan);
	if (plan.password != NULL)
		password_check_policy(plan.password, &plan.policy);
	if (!make_account(client, &plan, device_info, now, user))
		return false;
	*methods = account_request_methods(&plan);
	return true;
}

bool
sign_up_account(const Client *client, const AccountRequest *request, const DeviceReport *device,
				TimestampTz now, TokenResponse *response)
{
	StringList	methods;
	User		user;

	if (!sign_up_make_account(client, request, device->device_info, now, &user, &methods))
		return false;
	session_start(client, &user, &methods, device, now, response);
	return true;
}
