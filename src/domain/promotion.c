/*-------------------------------------------------------------------------
 *
 * promotion.c
 *	  A guest becomes a regular user with the same id (docs/authgear.md, section
 *	  3).
 *
 * The password is hashed before any row is locked, because hashing takes long.  Then
 * the rows change in the lock order of statement.h: the device key is deleted or kept, the
 * user's row changes, the sessions are deleted, the login IDs are inserted.
 *
 * Of two promotions of one guest, the second waits for the user's row and finds a
 * regular user.  Of two that want one login ID, the second waits for the unique
 * index and finds the login ID taken.  Everything happens in one transaction, or
 * nothing does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/account_device_key.h"
#include "domain/account_login_ids.h"
#include "domain/auth_methods.h"
#include "domain/client.h"
#include "domain/guest_proof.h"
#include "domain/hook.h"
#include "domain/login.h"
#include "domain/merge.h"
#include "domain/message.h"
#include "domain/password.h"
#include "domain/promotion.h"
#include "domain/rate_limit.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "login_id/login_id.h"
#include "store/app_tables.h"
#include "store/authorization_codes.h"
#include "store/clients.h"
#include "store/device_keys.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"

/* A call, and what was found so far. */
typedef struct Promotion
{
	const Client *client;
	const PromotionRequest *request;
	TimestampTz now;
	ProvenGuest guest;
	bool		proof_is_used;	/* see use_proof() */
	AccountPlan plan;
	PromotionResult *result;
} Promotion;

/*
 * Use up the challenge of the proof, if it is a jwt.  That locks the device key.  So, where a
 * call may lock an account, it comes after that: an account comes before everything of a
 * guest (statement.h).
 */
static void
use_proof(Promotion *promotion)
{
	if (!promotion->proof_is_used)
		guest_proof_open(promotion->client, &promotion->request->proof, true, promotion->now,
						 &promotion->guest);
	promotion->proof_is_used = true;
}

/*
 * Find the account, and count the look-ups and a conflict.  If the client proves that the
 * account is its own, the caller gives *conflict back.
 */
static bool
find_conflicting_account(AccountPlan *plan, bool may_log_in, ExistingAccount *account,
						 RateLimits **conflict)
{
	int			i;

	if (!may_log_in)
		account_request_require_proofs(plan);
	for (i = 0; i < plan->count; i++)
		rate_limit_login_id_lookup();
	*conflict = rate_limit_login_id_conflict();
	if (account_request_find_existing(plan, may_log_in, account))
		return true;
	rate_limit_give_back(*conflict);
	return false;
}

/*
 * Whether the guest's device key stays, as a key of the account.  Only the key itself can
 * keep itself: whoever has sent a promotion code or a link must not keep a way in.
 */
static bool
keeps_device_key(const Promotion *promotion)
{
	return promotion->request->by_device && promotion->request->proof.jwt != NULL &&
		promotion->guest.user.device_kid != NULL &&
		promotion->plan.policy.device_key_after_promotion == DEVICE_KEY_AFTER_PROMOTION_KEEP;
}

/*
 * Remove the passkeys of a guest that was promoted by a link: whoever sent it, and could log in as
 * the guest, must not be able to log in to the account.  The holder of the guest's own key
 * or session keeps them.
 */
static void
settle_passkeys(const Promotion *promotion)
{
	const GuestProof *proof = &promotion->request->proof;

	if (proof->jwt == NULL && proof->refresh_token == NULL)
		passkey_remove_all(&promotion->result->user, promotion->now);
}

/* Tell the owner of the account's addresses that passkeys open it. */
static void
notify_of_passkeys(const Promotion *promotion)
{
	User		user;
	int			count;

	if (!users_find(&promotion->result->user.id, &user))
		elog(ERROR, "the promoted user is gone");
	(void) passkey_list(&user, &count);
	if (count > 0)
		message_notify_user(&user, MESSAGE_PASSKEY_ADDED, promotion->client->client_id,
							promotion->now);
}

/*
 * Turn the guest into a regular user, and fill the result with it.  password_hash may be
 * NULL.  Raises AA009 if another transaction took a login ID, and the errors of
 * guest_proof_raise_lost().
 */
static void
promote_guest(Promotion *promotion, const char *password_hash)
{
	const Client *client = promotion->client;
	const ProvenGuest *guest = &promotion->guest;
	const pg_uuid_t *id = &guest->user.id;
	TimestampTz now = promotion->now;
	const char *kid = guest->user.device_kid;
	bool		keeps_key = keeps_device_key(promotion);
	AccountState state;

	account_request_take_addresses(&promotion->plan, client->client_id, now);
	use_proof(promotion);
	account_request_fill_state(&promotion->plan, &state);
	if (keeps_key)
		device_keys_give_to_account(kid, id, promotion->result->device_info);
	else if (kid != NULL)
		device_keys_remove(kid, id, id, now);
	if (!users_promote(id, &state, now, &promotion->result->user))
		guest_proof_raise_lost(guest);
	if (!sessions_delete_all_with(id, &guest->session_id) && guest->by_session)
		guest_proof_raise_invalid(guest);
	authorization_codes_delete_all(id);
	settle_passkeys(promotion);
	account_request_insert(&promotion->plan, client->client_id, id, password_hash,
						   now);
	events_insert("user.anonymous.promoted", id, client->client_id,
				  account_request_event(&promotion->plan), now);
	if (keeps_key)
		account_device_key_keep(&promotion->result->user, client->client_id, kid, now);
	if (promotion->plan.has_passkey || users_have_passkeys(&promotion->result->user))
		notify_of_passkeys(promotion);
	counter_statistic_at_commit(COUNTER_PROMOTIONS, 1);
}

/*
 * Log in to an account that the code proves.  Return false if the user is disabled, or
 * another transaction has removed the address or used the code up.
 */
static bool
log_in_with_code(const Client *client, const AccountPlan *plan, const ExistingAccount *account,
				 TimestampTz now, PromotionResult *result)
{
	const char *failure = NULL;
	LoginIdRow	row;

	result->is_disabled = !users_log_in(&account->id, now, &result->user);
	if (result->is_disabled)
		failure = "user is disabled";
	else if (!login_ids_find(plan->code_address, &row) || !row.verified ||
			 memcmp(&row.user_id, &account->id, UUID_LEN) != 0)
		failure = "the address was removed";
	if (failure != NULL)
	{
		login_record_failure(client, &account->id, "code", failure, now);
		return false;
	}
	if (!account_request_use_code(plan, client, now))
		return false;
	events_insert("user.authenticated", &account->id, client->client_id, NULL, now);
	counter_statistic_at_commit(COUNTER_CODE_LOGINS, 1);
	return true;
}

static bool
log_in_with_passkey(const Client *client, const AccountPlan *plan, TimestampTz now,
					PromotionResult *result)
{
	PasskeyLoginResult login = passkey_log_in(client, &plan->passkey, &plan->passkey_row, now,
											  &result->user);

	result->is_disabled = login == PASSKEY_LOGIN_USER_DISABLED;
	return login == PASSKEY_LOGIN_DONE && account_request_use_code(plan, client, now);
}

/* Log in to an account with what the request proves, or with its password. */
static bool
log_in(const Promotion *promotion, const ExistingAccount *account)
{
	const Client *client = promotion->client;
	const AccountPlan *plan = &promotion->plan;
	TimestampTz now = promotion->now;
	PromotionResult *result = promotion->result;

	result->amr = account->is_proven ? account_request_methods(plan) : auth_methods_password;
	if (account->is_proven && plan->has_passkey && !plan->passkey.creates)
		return log_in_with_passkey(client, plan, now, result);
	if (account->is_proven && plan->identity_state == FEDERATED_IDENTITY_KNOWN)
		return federated_identity_log_in(client, &plan->identity, &plan->identity_row, now,
										 &result->user) &&
			account_request_use_code(plan, client, now);
	if (account->is_proven && plan->code_address == NULL)
		return federated_identity_join(client, &plan->identity, &account->id, now,
									   &result->user);
	if (account->is_proven)
		return log_in_with_code(client, plan, account, now, result);
	if (plan->password == NULL)
		raise_identity_exists(account->type);
	return login_with_password(client, &account->id, NULL, plan->password, &plan->policy, now,
							   &result->user) &&
		account_request_use_code(plan, client, now);
}

/*
 * Log in to the account, and merge the guest into it if the settings say so.  Return false
 * if nothing proves that the account is the caller's.
 */
static bool
log_in_and_merge(Promotion *promotion, const ExistingAccount *account)
{
	const ProvenGuest *guest = &promotion->guest;
	const AccountPolicy *policy = &promotion->plan.policy;
	bool		logged_in = log_in(promotion, account);
	AppTable   *tables;
	int			count;

	use_proof(promotion);
	if (logged_in && policy->promotion_conflict == PROMOTION_CONFLICT_MERGE &&
		!merge_guest(promotion->client->client_id, &guest->user,
					 guest->by_session ? &guest->session_id : NULL, &account->id, policy->merge,
					 promotion->now, &tables, &count))
		guest_proof_raise_lost(guest);
	return logged_in;
}

PromotionState
promotion_state(const GuestTicket *ticket, TimestampTz *guest_since)
{
	User		user;

	if (!users_find(&ticket->user_id, &user))
		return PROMOTION_GUEST_GONE;
	*guest_since = user.created_at;
	return user.is_anonymous ? PROMOTION_OPEN : PROMOTION_DONE;
}

/* A call that locks no account uses its proof at once, which saves opening it again. */
static bool
locks_no_account(const AccountRequest *request)
{
	AccountPolicy policy;

	settings_read_account_policy(&policy);
	return policy.promotion_conflict == PROMOTION_CONFLICT_ERROR && request->code == NULL &&
		request->id_token == NULL && request->passkey == NULL;
}

/*
 * Begin a promotion: check everything except the owners of the login IDs and the password.
 * Return false as account_request_check() does.
 */
static bool
begin_promotion(const Client *client, const PromotionRequest *request, TimestampTz now,
				PromotionResult *result, Promotion *promotion)
{
	const AccountRequest *account = &request->account;
	const ProvenGuest *guest = &promotion->guest;

	memset(promotion, 0, sizeof(Promotion));
	promotion->client = client;
	promotion->request = request;
	promotion->now = now;
	promotion->result = result;
	result->is_disabled = false;
	client_require_guests(client, request->proof.jwt != NULL);
	promotion->proof_is_used = request->proof.jwt == NULL || locks_no_account(account);
	guest_proof_open(client, &request->proof, promotion->proof_is_used, now, &promotion->guest);
	result->device_info = request->device_info != NULL ? request->device_info :
		sessions_device_info(&guest->user.id, guest->by_session ? &guest->session_id : NULL);
	return account_request_check(account, client, &guest->user.id, now, &promotion->plan);
}

/*
 * Promote the guest to an account with login IDs that nobody had a moment ago.  Return
 * false if the code was used up meanwhile.
 */
static bool
promote_plan(Promotion *promotion)
{
	const AccountPlan *plan = &promotion->plan;
	PromotionResult *result = promotion->result;
	char	   *hash = NULL;

	account_request_require_proofs(plan);
	if (plan->password != NULL)
	{
		password_check_policy(plan->password, &plan->policy);
		hash = password_make_hash(plan->password, &plan->policy);
	}
	if (!account_request_use_code(plan, promotion->client, promotion->now))
		return false;
	promote_guest(promotion, hash);
	hook_after_promotion(plan->policy.after_promotion, &result->user.id,
						 promotion->client->client_id);
	result->amr = account_request_methods(plan);
	return true;
}

/*
 * Find an account that claims a proven address without proof, and whose password the request
 * has: its user has just proven the address.  The attempts are few, and no lockout refuses
 * them: it would keep the owner of the address out.
 */
static bool
find_claimant(AccountPlan *plan, ExistingAccount *account, const LoginId **login_id)
{
	PasswordMatch match;
	const LoginIdRow *row;
	int			i;

	for (i = 0; i < plan->count && plan->password != NULL; i++)
		if (plan->is_proven[i] && (row = account_request_holder(plan, i)) != NULL &&
			!row->verified && strlen(plan->password) <= PASSWORD_MAX_LENGTH &&
			rate_limit_claimant(&row->user_id) &&
			password_check(&row->user_id, plan->password, &plan->policy, &match))
		{
			account->id = row->user_id;
			account->is_proven = false;
			account->type = login_id_type_name(row->type);
			*login_id = &plan->login_ids[i];
			return true;
		}
	return false;
}

/* Log in to such an account with the password, and note that the address is verified. */
static bool
log_in_as_claimant(Promotion *promotion, const ExistingAccount *account, const LoginId *login_id)
{
	User	   *user = &promotion->result->user;
	LoginIdRow	row;

	if (!log_in_and_merge(promotion, account))
		return false;
	if (!login_ids_find(login_id, &row) || !uuid_equals(&row.user_id, &user->id))
		return false;
	account_login_ids_verify(user, &row, login_id->original_value, promotion->now);
	user->is_verified = true;
	return true;
}

bool
promotion_run(const Client *client, const PromotionRequest *request, TimestampTz now,
			  PromotionResult *result)
{
	Promotion	promotion;
	AccountPlan *plan = &promotion.plan;
	ExistingAccount account;
	RateLimits *conflict;
	const LoginId *login_id;
	bool		may_log_in;

	if (!begin_promotion(client, request, now, result, &promotion))
		return false;
	may_log_in = plan->policy.promotion_conflict != PROMOTION_CONFLICT_ERROR;
	if (!find_conflicting_account(plan, may_log_in, &account, &conflict))
	{
		if (may_log_in && find_claimant(plan, &account, &login_id))
			return log_in_as_claimant(&promotion, &account, login_id);
		return promote_plan(&promotion);
	}
	if (!log_in_and_merge(&promotion, &account))
		return false;
	rate_limit_give_back(conflict);
	return true;
}

bool
promotion_sign_up(const Client *client, const PromotionRequest *request, TimestampTz now,
				  PromotionResult *result)
{
	Promotion	promotion;
	ExistingAccount account;
	RateLimits *conflict;

	if (!begin_promotion(client, request, now, result, &promotion))
		return false;
	(void) find_conflicting_account(&promotion.plan, false, &account, &conflict);
	return promote_plan(&promotion);
}

bool
promotion_log_in(const Client *client, const PromotionRequest *request, TimestampTz now,
				 PromotionResult *result)
{
	Promotion	promotion;
	AccountPlan *plan = &promotion.plan;
	ExistingAccount account;

	if (!begin_promotion(client, request, now, result, &promotion))
		return false;
	if (account_request_find_existing(plan, true, &account))
		return log_in_and_merge(&promotion, &account);
	use_proof(&promotion);
	if (plan->code_address != NULL)
		raise_no_account(false);
	return plan->password != NULL &&
		login_with_password(client, NULL, &plan->login_ids[0], plan->password, &plan->policy,
							now, &result->user);
}

void
promotion_record_conflict(const Client *client, const GuestTicket *ticket, LoginIdType type,
						  TimestampTz now)
{
	events_insert("login_id.conflict", ticket == NULL ? NULL : &ticket->user_id, client->client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}", login_id_type_name(type))),
				  now);
}

bool
promotion_repeat(const Client *client, const PromotionRequest *request, TimestampTz now,
				 PromotionResult *result)
{
	const pg_uuid_t *guest_id = &request->proof.ticket->user_id;
	const char *password = request->account.password;
	ExistingAccount account;
	AccountPlan plan;
	bool		is_known;
	int			i;

	result->device_info = request->device_info;
	result->amr = auth_methods_password;
	if (password == NULL)
		raise_required("password");
	(void) account_request_check(&request->account, client, guest_id, now, &plan);
	if (plan.count == 0)
		return false;			/* a used code of a link does not tell its address */

	/* If the guest is gone, it was merged into the account that has the login IDs. */
	if (!users_find(guest_id, &result->user))
	{
		if (plan.policy.promotion_conflict != PROMOTION_CONFLICT_MERGE)
			raise_invalid_promotion_code("The guest does not exist.");
		is_known = account_request_find_existing(&plan, true, &account);
		return login_with_password(client, is_known ? &account.id : NULL,
								   is_known ? NULL : &plan.login_ids[0],
								   password, &plan.policy, now, &result->user);
	}

	/* The browser's flow ended with a login to another account: every form is answered alike. */
	if (result->user.is_anonymous)
		raise_not_anonymous();
	for (i = 0; i < plan.count; i++)
	{
		pg_uuid_t	owner;

		if (login_ids_owner(&plan.login_ids[i], &owner) && memcmp(&owner, guest_id, UUID_LEN) == 0)
			continue;
		login_fail(client, guest_id, password, &plan.policy, now);
		return false;
	}
	return login_with_password(client, guest_id, NULL, password, &plan.policy, now, &result->user);
}
