/*-------------------------------------------------------------------------
 *
 * account_device_key.c
 *	  Device keys of accounts: adding, login, list and removal.
 *
 * A call holds the user's row before it touches a key of the account, so logins, additions
 * and removals of one account wait for each other.  Verifying a signature takes no
 * lock and comes first: whoever only knows a kid delays nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/account_device_key.h"
#include "domain/auth_methods.h"
#include "domain/client.h"
#include "domain/credential_name.h"
#include "domain/credentials.h"
#include "domain/login.h"
#include "domain/message.h"
#include "domain/new_device_key.h"
#include "domain/rate_limit.h"
#include "domain/recent_login.h"
#include "domain/request_jwt.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "store/events.h"

/* Changes of a key that a login may meet before it gives up. */
#define MAX_RACES	100

/* ---- adding ---- */

/* A session of a cookie without a client belongs to the pages of this server. */
static void
require_first_party_session(const Session *session)
{
	Client		client;

	if (session->client_id == NULL)
		return;
	client_get(session->client_id, &client);
	client_require_first_party(&client);
}

static Jsonb *
payload_of_key(const char *kid)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "kid", kid);
	json_close(&json);
	return json_to_jsonb(json.data);
}

/* Return the key of this kid, or NULL. */
static const DeviceKey *
find_by_kid(const DeviceKey *keys, int count, const char *kid)
{
	int			i;

	for (i = 0; i < count; i++)
		if (strcmp(keys[i].kid, kid) == 0)
			return &keys[i];
	return NULL;
}

/* The account has the key: a client repeats a call whose response was lost, or renames it. */
static void
describe_again(const RequestJwt *request, const DeviceKey *key, const char *name, TimestampTz now)
{
	if (!request_jwt_use_challenge(request, key, now))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	device_keys_describe(key->kid, &key->user_id, name, request->device_info);
}

/* Only so many keys of one kid are tried if a request has no jwk. */
static void
require_usable_kid(const char *kid)
{
	int			count;

	(void) device_keys_find_by_kid(kid, &count);
	if (count >= DEVICE_KEYS_OF_KID)
		raise_device_key_refused("Too many devices have a key with this \"kid\".",
								 "Give each key a random \"kid\", such as a UUID.");
}

static void
insert_key(const User *user, const RequestJwt *request, const char *name, TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(request->kid);
	DeviceKey	key;

	new_device_key_init(request, &user->id, now, &key);
	key.of_account = true;
	key.name = (char *) name;
	key.device_info = request->device_info;
	if (!new_device_key_insert(request, &key, now))
		raise_device_key_refused("Another user has this key.",
								 "Make a new key on the device, with a new \"kid\".");
	users_add_device_key(&user->id, &route, now);
}

char *
account_device_key_add(const User *user, const Session *session, const char *jwt,
					   const char *name, TimestampTz now)
{
	RequestJwt	request;
	DeviceKey  *keys;
	const DeviceKey *known;
	int			count;

	recent_login_require_account(user, session, now);
	require_first_party_session(session);
	credential_name_check(name, "device key");
	request_jwt_parse(jwt, strlen(jwt), REQUEST_SETUP, now, &request);
	if (request.jwk == NULL)
		raise_invalid_request_jwt("The request has no public key (jwk) to register.");
	request_jwt_verify(&request, request.jwk, jose_alg_name(request.alg));

	keys = device_keys_of(user, &count);
	known = find_by_kid(keys, count, request.kid);
	if (known != NULL && strcmp(known->thumbprint, request.thumbprint) == 0)
	{
		describe_again(&request, known, name, now);
		return request.kid;
	}
	if (known != NULL)
		raise_device_key_refused("The account has another key with this \"kid\".",
								 "Give each key a random \"kid\", such as a UUID.");
	if (count >= DEVICE_KEYS_PER_ACCOUNT)
		raise_device_key_refused(psprintf("The account has %d device keys already.", count),
								 "Remove a key that is no longer used with anon_auth.remove_device_key().");
	require_usable_kid(request.kid);
	insert_key(user, &request, name, now);
	events_insert("device_key.added", &user->id, session->client_id, payload_of_key(request.kid),
				  now);
	message_notify_user(user, MESSAGE_DEVICE_KEY_ADDED, session->client_id, now);
	return request.kid;
}

/* ---- login ---- */

/* Fill key with the key of an account that signed the request. */
static void
find_account_key(const RequestJwt *request, DeviceKey *key)
{
	if (!request_jwt_find_key(request, key))
		request_jwt_raise_unknown_account_key(request);
	if (!key->of_account)
		raise_account_required();
}

/*
 * Use the challenge up.  The caller holds the row of the key's user, so a race is lost only
 * to a transaction that has ended: another login, or the removal of the key.
 */
static void
use_challenge(const RequestJwt *request, DeviceKey *key, TimestampTz now)
{
	const pg_uuid_t user_id = key->user_id;
	int			attempt;

	for (attempt = 0; attempt < MAX_RACES; attempt++)
	{
		if (request_jwt_use_challenge(request, key, now))
			return;
		CHECK_FOR_INTERRUPTS();
		find_account_key(request, key);
		if (!uuid_equals(&key->user_id, &user_id))
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not use the challenge because of concurrent logins with this key"),
			 errhint("The transaction might succeed if retried.")));
}

/*
 * As at Authgear, a device has one session with its key: a login replaces the tokens that
 * the application on this device had.
 */
static void
start_session(const Client *client, const User *user, const DeviceKey *key,
			  const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	SessionGrant grant = {
		.id = session_new_id(now),
		.authenticated_at = now,
		.amr = &auth_methods_device_key,
		.device_kid = key->kid,
		.has_refresh_token = true
	};

	sessions_delete_of_device_key(&user->id, key->kid, client->client_id);
	session_start_granted(client, user, &grant, device, now, response);
}

bool
account_device_key_authenticate(const Client *client, const char *jwt,
								const DeviceReport *device, TimestampTz now,
								TokenResponse *response)
{
	DeviceReport report = *device;
	RequestJwt	request;
	DeviceKey	key;
	User		user;

	client_require_first_party(client);
	request_jwt_parse(jwt, strlen(jwt), REQUEST_AUTHENTICATE, now, &request);
	find_account_key(&request, &key);
	rate_limit_device_key(&key);
	if (!users_log_in(&key.user_id, now, &user))
	{
		/* The account may have been deleted meanwhile, with the key. */
		find_account_key(&request, &key);
		login_record_failure(client, &key.user_id, "device_key", "user is disabled", now);
		return false;
	}
	use_challenge(&request, &key, now);
	events_insert("user.authenticated", &user.id, client->client_id,
				  json_to_jsonb("{\"authenticator\": \"device_key\"}"), now);
	counter_statistic_at_commit(COUNTER_DEVICE_KEY_LOGINS, 1);
	if (report.device_info == NULL)
		report.device_info = request.device_info;
	start_session(client, &user, &key, &report, now, response);
	return true;
}

/* ---- list and removal ---- */

DeviceKey *
account_device_key_list(const User *user, int *count)
{
	if (user->is_anonymous)
		raise_account_required();
	return device_keys_of(user, count);
}

static void
remove_key(const User *user, const char *kid, const pg_uuid_t *account, TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(kid);

	device_keys_remove(kid, &user->id, account, now);
	users_remove_device_key(&user->id, &route, now);
}

bool
account_device_key_remove(const User *user, const Session *session, const char *kid,
						  TimestampTz now)
{
	Credentials credentials;
	DeviceKey  *keys;
	int			count;

	recent_login_require_account(user, session, now);
	keys = device_keys_of(user, &count);
	if (find_by_kid(keys, count, kid) == NULL)
		return false;
	credentials_of(user, &credentials);
	credentials.device_keys--;
	if (!credentials_open_account(&credentials))
		raise_last_credential();
	sessions_delete_of_device_key(&user->id, kid, NULL);
	remove_key(user, kid, &user->id, now);
	events_insert("device_key.removed", &user->id, session->client_id, payload_of_key(kid), now);
	message_notify_user(user, MESSAGE_DEVICE_KEY_REMOVED, session->client_id, now);
	return true;
}

/* ---- for callers that change an account in another way ---- */

void
account_device_key_keep(const User *user, const char *client_id, const char *kid,
						TimestampTz now)
{
	pg_uuid_t	route = device_keys_route(kid);
	User		account;

	users_add_device_key(&user->id, &route, now);
	events_insert("device_key.added", &user->id, client_id, payload_of_key(kid), now);
	if (users_find(&user->id, &account))
		message_notify_user(&account, MESSAGE_DEVICE_KEY_ADDED, client_id, now);
}

void
account_device_key_remove_all(const User *user, const pg_uuid_t *account, TimestampTz now)
{
	int			count;
	DeviceKey  *keys = device_keys_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
		remove_key(user, keys[i].kid, account, now);
}
