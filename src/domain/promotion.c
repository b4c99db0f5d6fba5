/*-------------------------------------------------------------------------
 *
 * promotion.c
 *	  A guest becomes a regular user, with the same id (authgear facts, 3).
 *
 * What is slow (the password hash) comes before what locks.  Then, in the
 * order that store.h prescribes: the device key goes, the user changes, its
 * sessions go, the login IDs come.  Of two promotions of one guest the second
 * finds a user that is no guest any more; of two that want one login ID the
 * second finds it taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "domain/domain.h"
#include "domain/hook.h"
#include "errors.h"
#include "json/json.h"
#include "keyring/master_key.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* The guest to promote, and the session that proved it if one did. */
typedef struct Proof
{
	User		user;
	bool		by_session;
	pg_uuid_t	session_id;
	int			invalid_errcode;	/* if it is good no longer */
	const char *invalid_message;
} Proof;

pg_noreturn static void
raise_not_anonymous(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_AA_NOT_ANONYMOUS),
			 errmsg("user logged in as normal user"),
			 errdetail("The user is not a guest, or has been promoted already.")));
}

pg_noreturn static void
raise_invalid_promotion_code(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_AA_INVALID_PROMOTION_CODE),
			 errmsg("invalid promotion code"),
			 errdetail_internal("%s", detail)));
}

pg_noreturn static void
raise_identity_exists(LoginIdType type)
{
	ereport(ERROR,
			(errcode(ERRCODE_AA_IDENTITY_EXISTS),
			 errmsg("identity already exists"),
			 errdetail("The %s belongs to another user.", login_id_type_name(type))));
}

char *
promotion_code_create(const char *refresh_token, TimestampTz now, TimestampTz *expires_at)
{
	Session		session;
	User		user;

	session_by_refresh_token(refresh_token, now, &session, &user);
	return promotion_code_for_session(&session, &user, now, expires_at);
}

char *
promotion_code_for_session(const Session *session, const User *user, TimestampTz now,
						   TimestampTz *expires_at)
{
	PromotionCode code = {0};
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	if (!user->is_anonymous)
		raise_not_anonymous();
	*expires_at = now + INT64CONST(1) * SHORT_LIFETIME_SECONDS * USECS_PER_SEC;
	memcpy(code.user_id, user->id.data, UUID_LEN);
	memcpy(code.session_id, session->id.data, UUID_LEN);
	code.expires_at = *expires_at;
	promotion_code_write(&code, master_key_derived(MASTER_KEY_PROMOTION_CODE, 0), text);
	return text;
}

/* The session that a promotion code or a ticket names must be alive. */
static void
open_session(const Client *client, const pg_uuid_t *user_id, const pg_uuid_t *session_id,
			 TimestampTz now, Proof *proof)
{
	Session		session;

	if (!session_find(user_id, session_id, now, &session, &proof->user))
	{
		if (user_find(user_id, &proof->user) && !proof->user.is_anonymous)
			raise_not_anonymous();
		raise_invalid_promotion_code("The session that it was issued for has ended.");
	}
	if (session.client_id != NULL && strcmp(session.client_id, client->client_id) != 0)
		raise_invalid_promotion_code("The code was issued for another client.");
	proof->by_session = true;
	proof->session_id = *session_id;
	proof->invalid_errcode = ERRCODE_AA_INVALID_PROMOTION_CODE;
	proof->invalid_message = "invalid promotion code";
}

static void
open_promotion_code(const Client *client, const char *text, TimestampTz now, Proof *proof)
{
	PromotionCode code;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	const uint8 *key;
	bool		authentic = false;
	int			i;

	for (i = 0; !authentic && (key = master_key_derived(MASTER_KEY_PROMOTION_CODE, i)) != NULL; i++)
		authentic = promotion_code_read(&code, key, text, strlen(text));
	if (!authentic)
		raise_invalid_promotion_code("The code was not issued here.");
	if (code.expires_at <= now)
		raise_invalid_promotion_code("The code has expired.");
	memcpy(user_id.data, code.user_id, UUID_LEN);
	memcpy(session_id.data, code.session_id, UUID_LEN);
	open_session(client, &user_id, &session_id, now, proof);
}

static void
open_refresh_token(const Client *client, const char *text, TimestampTz now, Proof *proof)
{
	Session		session;

	session_by_refresh_token(text, now, &session, &proof->user);
	session_require_client(&session, client);
	proof->by_session = true;
	proof->session_id = session.id;
	proof->invalid_errcode = ERRCODE_AA_INVALID_REFRESH_TOKEN;
	proof->invalid_message = "invalid refresh token";
}

/* With use_challenge the request cannot be presented again. */
static void
open_jwt(const char *text, bool use_challenge, TimestampTz now, Proof *proof)
{
	RequestJwt	request;
	DeviceKey	key;

	request_jwt_parse(text, strlen(text), REQUEST_PROMOTE, now, &request);
	if (!(use_challenge ? request_jwt_authenticate(&request, now, &key) :
		  request_jwt_check(&request, now, &key)))
		raise_unknown_device_key();
	if (!user_find(&key.user_id, &proof->user))
		elog(ERROR, "device key without a user");
	proof->invalid_errcode = ERRCODE_AA_UNKNOWN_DEVICE_KEY;
	proof->invalid_message = "unknown device key";
}

static void
open_ticket(const Client *client, const GuestTicket *ticket, TimestampTz now, Proof *proof)
{
	if (ticket->by_session)
		open_session(client, &ticket->user_id, &ticket->session_id, now, proof);
	else if (!user_find(&ticket->user_id, &proof->user))
		raise_invalid_promotion_code("The guest is gone.");
	proof->invalid_errcode = ERRCODE_AA_INVALID_PROMOTION_CODE;
	proof->invalid_message = "invalid promotion code";
}

static void
open_proof(const Client *client, const PromotionRequest *request, bool use_challenge,
		   TimestampTz now, Proof *proof)
{
	int			proofs = (request->jwt != NULL) + (request->promotion_code != NULL) +
		(request->refresh_token != NULL) + (request->ticket != NULL);

	if (proofs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(proofs == 0 ? "a proof of being the guest is required" :
						"more than one proof of being the guest was given"),
				 errhint("Give exactly one of jwt, promotion_code and refresh_token.")));
	memset(proof, 0, sizeof(Proof));
	if (request->jwt != NULL)
		open_jwt(request->jwt, use_challenge, now, proof);
	else if (request->promotion_code != NULL)
		open_promotion_code(client, request->promotion_code, now, proof);
	else if (request->ticket != NULL)
		open_ticket(client, request->ticket, now, proof);
	else
		open_refresh_token(client, request->refresh_token, now, proof);

	if (proof->user.is_disabled)
		ereport(ERROR,
				(errcode(ERRCODE_AA_USER_DISABLED),
				 errmsg("user is disabled")));
	if (!proof->user.is_anonymous)
		raise_not_anonymous();
}

static int
normalise_login_ids(const PromotionRequest *request, const AccountPolicy *policy,
					LoginId *login_ids)
{
	int			count = 0;
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		const char *reason;

		if (request->login_ids[type] == NULL)
			continue;
		if (!policy->login_id_allowed[type])
			reason = "this kind of login ID is switched off (settings.login_id_types)";
		else
			reason = login_id_normalise(type, request->login_ids[type], &policy->login_id,
										&login_ids[count]);
		if (reason != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AA_INVALID_LOGIN_ID),
					 errmsg("invalid login ID"),
					 errdetail_internal("%s: %s.", login_id_type_name(type), reason)));
		count++;
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a login ID is required"),
				 errhint("Give at least one of email, phone_number and username.")));
	return count;
}

static void
check_password_policy(const char *password, const AccountPolicy *policy)
{
	const char *violations = password_policy_violations(password, &policy->password);

	if (violations != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AA_PASSWORD_POLICY),
				 errmsg("password policy violated"),
				 errdetail_internal("The password %s.", violations)));
}

/*
 * The account that has one of the login IDs.  Two different accounts cannot
 * both be logged in to, whatever the settings say.
 */
static bool
find_conflict(const LoginId *login_ids, int count, bool may_log_in, pg_uuid_t *owner)
{
	bool		found = false;
	int			i;

	for (i = 0; i < count; i++)
	{
		pg_uuid_t	other;

		if (!login_id_owner(&login_ids[i], &other))
			continue;
		if (!may_log_in || (found && memcmp(owner, &other, UUID_LEN) != 0))
			raise_identity_exists(login_ids[i].type);
		*owner = other;
		found = true;
	}
	return found;
}

static Datum
routes_array(const LoginId *login_ids, int count)
{
	Datum		items[LOGIN_ID_TYPES];
	int			i;

	for (i = 0; i < count; i++)
	{
		pg_uuid_t  *route = palloc(sizeof(pg_uuid_t));

		*route = login_id_route(&login_ids[i]);
		items[i] = UUIDPGetDatum(route);
	}
	return PointerGetDatum(construct_array(items, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/* OpenID Connect's names for the login IDs. */
static Jsonb *
attributes(const LoginId *login_ids, int count)
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
	event_insert("user.anonymous.promoted", &user->id, client->client_id,
				 json_to_jsonb(json.data), now);
}

/* The proof was good when it was looked at, and is no more. */
pg_noreturn static void
raise_lost_proof(const Proof *proof)
{
	ereport(ERROR,
			(errcode(proof->invalid_errcode),
			 errmsg("%s", proof->invalid_message)));
}

/* The guest could not be promoted or merged after all: why? */
pg_noreturn static void
raise_lost_guest(const Proof *proof)
{
	User		user;

	if (!user_find(&proof->user.id, &user))
		raise_lost_proof(proof);
	if (!user.is_anonymous)
		raise_not_anonymous();
	if (user.is_disabled)
		ereport(ERROR,
				(errcode(ERRCODE_AA_USER_DISABLED),
				 errmsg("user is disabled")));
	raise_lost_proof(proof);
}

static void
promote(const Client *client, const Proof *proof, const LoginId *login_ids, int count,
		const char *password_hash, TimestampTz now, User *user)
{
	const pg_uuid_t *id = &proof->user.id;
	int			i;

	if (proof->user.device_kid != NULL)
		device_key_remove(proof->user.device_kid, now);
	if (!user_promote(id, routes_array(login_ids, count), attributes(login_ids, count), now, user))
		raise_lost_guest(proof);
	if (proof->by_session && !session_delete(id, &proof->session_id))
		raise_lost_proof(proof);
	sessions_delete(id, NULL);
	authorization_codes_delete(id);
	for (i = 0; i < count; i++)
		if (!login_id_insert(&login_ids[i], id, now))
			raise_identity_exists(login_ids[i].type);
	password_insert(id, password_hash, now);
	record_promotion(client, user, login_ids, count, now);
}

/* The login ID is somebody else's, who has the password. */
static bool
use_account(const Client *client, const Proof *proof, const pg_uuid_t *owner,
			const PromotionRequest *request, const AccountPolicy *policy, TimestampTz now,
			User *user)
{
	AppTable   *tables;
	int			count;

	if (!login_with_password(client, owner, NULL, request->password, policy, now, user))
		return false;
	if (policy->conflict == CONFLICT_MERGE &&
		!merge_guest(client->client_id, &proof->user, proof->by_session ? &proof->session_id : NULL,
					 owner, policy->merge, now, &tables, &count))
		raise_lost_guest(proof);
	return true;
}

bool
promotion_run(const Client *client, const PromotionRequest *request, TimestampTz now, User *user)
{
	AccountPolicy policy;
	LoginId		login_ids[LOGIN_ID_TYPES];
	int			count;
	Proof		proof;
	pg_uuid_t	owner;

	client_require_guests(client, request->jwt != NULL);
	settings_read_account_policy(&policy);
	if (request->password == NULL)
		raise_required("password");
	open_proof(client, request, true, now, &proof);
	count = normalise_login_ids(request, &policy, login_ids);
	if (find_conflict(login_ids, count, policy.conflict != CONFLICT_ERROR, &owner))
		return use_account(client, &proof, &owner, request, &policy, now, user);

	check_password_policy(request->password, &policy);
	promote(client, &proof, login_ids, count,
			password_make_hash(request->password, &policy), now, user);
	hook_after_promotion(policy.after_promotion, &user->id, client->client_id);
	return true;
}

void
promotion_ticket(const Client *client, const PromotionRequest *request, TimestampTz now,
				 GuestTicket *ticket)
{
	Proof		proof;

	client_require_guests(client, request->jwt != NULL);
	open_proof(client, request, false, now, &proof);
	memset(ticket, 0, sizeof(GuestTicket));
	ticket->user_id = proof.user.id;
	ticket->by_session = proof.by_session;
	if (proof.by_session)
		ticket->session_id = proof.session_id;
}

bool
promotion_repeat(const Client *client, const PromotionRequest *request, TimestampTz now,
				 User *user)
{
	AccountPolicy policy;
	LoginId		login_ids[LOGIN_ID_TYPES];
	int			count;
	int			i;

	settings_read_account_policy(&policy);
	if (request->password == NULL)
		raise_required("password");
	count = normalise_login_ids(request, &policy, login_ids);
	for (i = 0; i < count; i++)
	{
		pg_uuid_t	owner;

		if (!login_id_owner(&login_ids[i], &owner) ||
			memcmp(&owner, &request->ticket->user_id, UUID_LEN) != 0)
			raise_not_anonymous();
	}
	return login_with_password(client, &request->ticket->user_id, NULL, request->password,
							   &policy, now, user);
}
