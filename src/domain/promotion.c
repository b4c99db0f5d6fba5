/*-------------------------------------------------------------------------
 *
 * promotion.c
 *	  A guest becomes a regular user with the same id (docs/authgear.md, section
 *	  3).
 *
 * The password is hashed before any row is locked, because hashing takes long.  Then
 * the rows change in the lock order of statement.h: the device key is deleted, the
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

#include "base/raise.h"
#include "counters/transaction_counters.h"
#include "catalog/pg_type.h"
#include "domain/auth_methods.h"
#include "domain/client.h"
#include "domain/guest_proof.h"
#include "domain/hook.h"
#include "domain/login.h"
#include "domain/merge.h"
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
#include "store/passwords.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"
#include "utils/array.h"
#include "utils/builtins.h"

/*
 * Fill login_ids with the login IDs of a request and return their number.  Raises
 * AA010 for one that is malformed or not allowed, 22023 if there is none.
 */
static int
normalise_login_ids(const PromotionRequest *request, const AccountPolicy *policy,
					LoginId *login_ids)
{
	int			count = 0;
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		LoginIdReason reason;

		if (request->login_ids[type] == NULL)
			continue;
		if (!account_policy_allows(policy, type))
			reason = LOGIN_ID_TYPE_NOT_ALLOWED;
		else
			reason = login_id_normalise(type, request->login_ids[type], &policy->login_id,
										&login_ids[count]);
		if (reason != LOGIN_ID_ACCEPTED)
			raise_invalid_login_id(login_id_type_name(type), login_id_reason_code(reason),
								   login_id_reason_clause(reason, type));
		count++;
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a login ID is required"),
				 errhint("Give at least one of email, phone_number and username.")));
	return count;
}

/*
 * Return whether an account has one of the login IDs, and set *owner to it.  Raises
 * AA009 if an account has one and may_log_in is false, and if different accounts have
 * them, because no client can be logged in to both.
 */
static bool
find_account(const LoginId *login_ids, int count, bool may_log_in, pg_uuid_t *owner)
{
	bool		found = false;
	int			i;

	for (i = 0; i < count; i++)
	{
		pg_uuid_t	other;

		if (!login_ids_owner(&login_ids[i], &other))
			continue;
		if (!may_log_in || (found && memcmp(owner, &other, UUID_LEN) != 0))
			raise_identity_exists(login_id_type_name(login_ids[i].type));
		*owner = other;
		found = true;
	}
	return found;
}

/*
 * Call find_account(), and count the look-ups and a conflict.  If the client proves that
 * it knows the password of that account, the caller gives *conflict back.
 */
static bool
find_conflicting_account(const LoginId *login_ids, int count, bool may_log_in, pg_uuid_t *owner,
						 RateLimits **conflict)
{
	int			i;

	for (i = 0; i < count; i++)
		rate_limit_login_id_lookup();
	*conflict = rate_limit_login_id_conflict();
	if (find_account(login_ids, count, may_log_in, owner))
		return true;
	rate_limit_give_back(*conflict);
	return false;
}

/* Return the routes of the login IDs, by which their rows are found, as uuid[]. */
static ArrayType *
routes_of_login_ids(const LoginId *login_ids, int count)
{
	Datum		items[LOGIN_ID_TYPES];
	int			i;

	for (i = 0; i < count; i++)
	{
		pg_uuid_t  *route = palloc(sizeof(pg_uuid_t));

		*route = login_ids_route(&login_ids[i]);
		items[i] = UUIDPGetDatum(route);
	}
	return construct_array(items, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* Return the login IDs as standard attributes, by their names in OpenID Connect. */
static Jsonb *
attributes_of_login_ids(const LoginId *login_ids, int count)
{
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	for (i = 0; i < count; i++)
		json_add_string(&json,
						login_ids[i].type == LOGIN_ID_USERNAME ? "preferred_username" :
						login_id_type_name(login_ids[i].type),
						login_ids[i].value);
	json_close(&json);
	return json_to_jsonb(json.data);
}

static void
record_promotion(const Client *client, const User *user, const LoginId *login_ids, int count,
				 TimestampTz now)
{
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"login_id_types\": [");
	for (i = 0; i < count; i++)
		appendStringInfo(&json, "%s\"%s\"", i > 0 ? ", " : "",
						 login_id_type_name(login_ids[i].type));
	appendStringInfoString(&json, "]}");
	events_insert("user.anonymous.promoted", &user->id, client->client_id,
				  json_to_jsonb(json.data), now);
	counter_statistic_at_commit(COUNTER_PROMOTIONS, 1);
}

/*
 * Turn the guest into a regular user, and fill user with it.  Raises AA009 if
 * another transaction took a login ID, and the errors of guest_proof_raise_lost().
 */
static void
promote_guest(const Client *client, const ProvenGuest *guest, const LoginId *login_ids, int count,
			  const char *password_hash, TimestampTz now, User *user)
{
	const pg_uuid_t *id = &guest->user.id;
	int			i;

	if (guest->user.device_kid != NULL)
		device_keys_remove(guest->user.device_kid, id, id, now);
	if (!users_promote(id, routes_of_login_ids(login_ids, count), true,
					   attributes_of_login_ids(login_ids, count), now, user))
		guest_proof_raise_lost(guest);
	if (!sessions_delete_all_with(id, &guest->session_id) && guest->by_session)
		guest_proof_raise_invalid(guest);
	authorization_codes_delete_all(id);
	for (i = 0; i < count; i++)
	{
		if (login_ids_insert(&login_ids[i], id, now))
			continue;
		(void) rate_limit_login_id_conflict();
		raise_identity_exists(login_id_type_name(login_ids[i].type));
	}
	passwords_insert(id, password_hash, now);
	record_promotion(client, user, login_ids, count, now);
}

/*
 * Log in to the account that has the login ID, and merge the guest into it if the
 * settings say so.  Return false if the password is wrong.
 */
static bool
log_in_to_account(const Client *client, const ProvenGuest *guest, const pg_uuid_t *owner,
				  const PromotionRequest *request, const AccountPolicy *policy, TimestampTz now,
				  User *user)
{
	AppTable   *tables;
	int			count;

	if (!login_with_password(client, owner, NULL, request->password, policy, now, user))
		return false;
	if (policy->promotion_conflict == PROMOTION_CONFLICT_MERGE &&
		!merge_guest(client->client_id, &guest->user, guest->by_session ? &guest->session_id : NULL,
					 owner, policy->merge, now, &tables, &count))
		guest_proof_raise_lost(guest);
	return true;
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

/* The parts of a request that was checked. */
typedef struct CheckedRequest
{
	AccountPolicy policy;
	ProvenGuest guest;
	LoginId		login_ids[LOGIN_ID_TYPES];
	int			count;			/* of login IDs */
	Jsonb	   *device_info;	/* of the request, or of the guest's session */
} CheckedRequest;

/* Check everything except the owners of the login IDs and the password. */
static void
check_request(const Client *client, const PromotionRequest *request, TimestampTz now,
			  CheckedRequest *checked)
{
	client_require_guests(client, request->proof.jwt != NULL);
	settings_read_account_policy(&checked->policy);
	if (request->password == NULL)
		raise_required("password");
	guest_proof_open(client, &request->proof, true, now, &checked->guest);
	checked->device_info = request->device_info != NULL ? request->device_info :
		sessions_device_info(&checked->guest.user.id,
							 checked->guest.by_session ? &checked->guest.session_id : NULL);
	checked->count = normalise_login_ids(request, &checked->policy, checked->login_ids);
}

/* Promote the guest to an account with login IDs that nobody had a moment ago. */
static void
promote_checked(const Client *client, const CheckedRequest *checked, const char *password,
				TimestampTz now, User *user)
{
	const AccountPolicy *policy = &checked->policy;

	password_check_policy(password, policy);
	promote_guest(client, &checked->guest, checked->login_ids, checked->count,
				  password_make_hash(password, policy), now, user);
	hook_after_promotion(policy->after_promotion, &user->id, client->client_id);
}

bool
promotion_run(const Client *client, const PromotionRequest *request, TimestampTz now, PromotionResult *result)
{
	CheckedRequest checked;
	RateLimits *conflict;
	pg_uuid_t	owner;

	check_request(client, request, now, &checked);
	result->device_info = checked.device_info;
	result->amr = auth_methods_password;
	if (find_conflicting_account(checked.login_ids, checked.count,
								 checked.policy.promotion_conflict != PROMOTION_CONFLICT_ERROR,
								 &owner, &conflict))
	{
		if (!log_in_to_account(client, &checked.guest, &owner, request, &checked.policy, now, &result->user))
			return false;
		rate_limit_give_back(conflict);
		return true;
	}
	promote_checked(client, &checked, request->password, now, &result->user);
	return true;
}

void
promotion_sign_up(const Client *client, const PromotionRequest *request, TimestampTz now,
				  PromotionResult *result)
{
	CheckedRequest checked;
	RateLimits *conflict;
	pg_uuid_t	owner;

	check_request(client, request, now, &checked);
	result->device_info = checked.device_info;
	result->amr = auth_methods_password;
	(void) find_conflicting_account(checked.login_ids, checked.count, false, &owner, &conflict);
	promote_checked(client, &checked, request->password, now, &result->user);
}

bool
promotion_log_in(const Client *client, const PromotionRequest *request, TimestampTz now,
				 PromotionResult *result)
{
	CheckedRequest checked;
	pg_uuid_t	owner;

	check_request(client, request, now, &checked);
	result->device_info = checked.device_info;
	result->amr = auth_methods_password;
	if (!find_account(checked.login_ids, checked.count, true, &owner))
		return login_with_password(client, NULL, checked.login_ids[0].value, request->password,
								   &checked.policy, now, &result->user);
	return log_in_to_account(client, &checked.guest, &owner, request, &checked.policy, now, &result->user);
}

void
promotion_record_conflict(const Client *client, const GuestTicket *ticket, LoginIdType type,
						  TimestampTz now)
{
	events_insert("login_id.conflict", &ticket->user_id, client->client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}", login_id_type_name(type))),
				  now);
}

bool
promotion_repeat(const Client *client, const PromotionRequest *request, TimestampTz now,
				 PromotionResult *result)
{
	const pg_uuid_t *guest_id = &request->proof.ticket->user_id;
	AccountPolicy policy;
	LoginId		login_ids[LOGIN_ID_TYPES];
	pg_uuid_t	owner;
	bool		is_known;
	int			count;
	int			i;

	result->device_info = request->device_info;
	result->amr = auth_methods_password;
	settings_read_account_policy(&policy);
	if (request->password == NULL)
		raise_required("password");
	count = normalise_login_ids(request, &policy, login_ids);

	/* If the guest is gone, it was merged into the account that has the login IDs. */
	if (!users_find(guest_id, &result->user))
	{
		if (policy.promotion_conflict != PROMOTION_CONFLICT_MERGE)
			raise_invalid_promotion_code("The guest does not exist.");
		is_known = find_account(login_ids, count, true, &owner);
		return login_with_password(client, is_known ? &owner : NULL, login_ids[0].value,
								   request->password, &policy, now, &result->user);
	}

	/* The browser's flow ended with a login to another account: every form is answered alike. */
	if (result->user.is_anonymous)
		raise_not_anonymous();
	for (i = 0; i < count; i++)
		if (!login_ids_owner(&login_ids[i], &owner) || memcmp(&owner, guest_id, UUID_LEN) != 0)
		{
			login_fail(client, guest_id, request->password, &policy, now);
			return false;
		}
	return login_with_password(client, guest_id, NULL, request->password, &policy, now, &result->user);
}
