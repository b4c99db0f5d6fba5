/*-------------------------------------------------------------------------
 *
 * guest.c
 *	  Sign-up and login of guests, with a device key or without
 *	  (docs/authgear.md, sections 1.3, 1.4 and 2.1).
 *
 * The device key is the arbiter between concurrent sign-ups: the user's row is
 * inserted first, then the key, whose unique index lets one transaction win.  The
 * others wait for its commit, delete the user that they have just inserted, and
 * log in to the winner's guest.
 *
 * Hooks and limits run before anything is inserted, so that a refused guest costs
 * no row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "counters/transaction_counters.h"
#include "domain/auth_methods.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/cookie_session.h"
#include "domain/guest.h"
#include "domain/new_device_key.h"
#include "domain/rate_limit.h"
#include "domain/request_jwt.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "domain/sign_up.h"
#include "jose/jwa.h"
#include "json/json_write.h"
#include "store/clients.h"
#include "store/device_keys.h"
#include "store/events.h"
#include "store/settings.h"
#include "store/user_deletion.h"
#include "store/users.h"

bool
guest_users_are_enabled(void)
{
	return settings_get()->anonymous_users_enabled;
}

static void
require_guests_enabled(void)
{
	if (!guest_users_are_enabled())
		raise_guests_disabled();
}

/* client NULL: the guest has a cookie session that names no client. */
static void
record_creation(const Client *client, const pg_uuid_t *id, bool device_key, TimestampTz now)
{
	events_insert("user.created", id, client == NULL ? NULL : client->client_id,
				  json_to_jsonb(device_key ? "{\"device_key\": true}" : "{\"device_key\": false}"),
				  now);
	counter_statistic_at_commit(COUNTER_SIGN_UPS, 1);
}

/* Fill user with a guest whose row this transaction has just inserted. */
static void
fill_new_guest(User *user, const pg_uuid_t *id, char *kid)
{
	memset(user, 0, sizeof(User));
	user->id = *id;
	user->is_anonymous = true;
	user->device_kid = kid;
}

/*
 * Insert a guest with the key of the request.  If another transaction registered
 * the key first, delete the user just inserted and return false.
 */
static bool
sign_up_with_key(const Client *client, const RequestJwt *request, Jsonb *device_info,
				 TimestampTz now, User *user)
{
	pg_uuid_t	route = device_keys_route(request->kid);
	pg_uuid_t	id = users_new_id(&route, now);
	RateLimits *limits;
	DeviceKey	key;

	request_jwt_verify(request, request->jwk, jose_alg_name(request->alg));
	limits = sign_up_admit(&id, client->client_id, device_info);
	users_insert_guest(&id, request->kid, now, now);
	new_device_key_init(request, &id, now, &key);
	if (!new_device_key_insert(request, &key, now))
	{
		user_deletion_undo_insert(&id);
		rate_limit_give_back(limits);
		return false;
	}
	record_creation(client, &id, true, now);
	fill_new_guest(user, &id, request->kid);
	return true;
}

/*
 * Log in the guest of a key.  The signature was verified before, so nobody else can
 * use up the limit of the key.  The user's row is held afterwards.
 */
static void
log_in_by_key(const Client *client, const DeviceKey *key, TimestampTz now, User *user)
{
	rate_limit_device_key(key);
	if (!users_log_in(&key->user_id, now, user))
		raise_user_disabled();
	events_insert("user.authenticated", &key->user_id, client->client_id, NULL, now);
	counter_statistic_at_commit(COUNTER_DEVICE_KEY_LOGINS, 1);
}

void
guest_authenticate_with_key(const Client *client, const char *jwt, size_t length,
							const DeviceReport *device, TimestampTz now,
							TokenResponse *response)
{
	RequestJwt	request;
	DeviceKey	key;
	User		user;

	client_require_guests(client, true);
	require_guests_enabled();
	request_jwt_parse(jwt, length, REQUEST_AUTH, now, &request);

	if (request_jwt_authenticate(&request, now, &key))
		log_in_by_key(client, &key, now, &user);
	else if (request.jwk == NULL)
		request_jwt_raise_unregistered(&request, true);
	else if (!sign_up_with_key(client, &request, device->device_info, now, &user))
	{
		/* The other transaction has committed: its guest belongs to this device. */
		if (!request_jwt_authenticate(&request, now, &key))
			request_jwt_raise_unregistered(&request, true);
		log_in_by_key(client, &key, now, &user);
	}
	session_start(client, &user, &auth_methods_device_key, device, now, response);
}

/*
 * Insert a guest without a key.  Nobody can return to it once its session has
 * expired, at session_expiry, so it can be purged from then on.
 */
static void
sign_up_without_key(const Client *client, Jsonb *device_info, TimestampTz session_expiry,
					TimestampTz now, User *user)
{
	pg_uuid_t	id = users_new_id(NULL, now);

	if (client != NULL)
		client_require_guests(client, false);
	require_guests_enabled();
	(void) sign_up_admit(&id, client == NULL ? NULL : client->client_id, device_info);
	users_insert_guest(&id, NULL, session_expiry, now);
	record_creation(client, &id, false, now);
	fill_new_guest(user, &id, NULL);
}

char *
guest_sign_up_with_cookie(const Client *client, const DeviceReport *device,
						  const BrowserPolicy *policy, TimestampTz now)
{
	User		user;

	sign_up_without_key(client, device->device_info, cookie_session_expiry(policy, now), now, &user);
	return cookie_session_start(client == NULL ? NULL : client->client_id, &user,
								&auth_methods_none, device, policy, now);
}

void
guest_sign_up_without_key(const Client *client, const DeviceReport *device, TimestampTz now,
						  TokenResponse *response)
{
	User		user;

	sign_up_without_key(client, device->device_info, session_expiry(client, now, now), now, &user);
	session_start(client, &user, &auth_methods_none, device, now, response);
}

void
guest_resume(const Client *client, const char *refresh_token, const DeviceReport *device,
			 TimestampTz now, TokenResponse *response)
{
	client_require_guests(client, false);
	require_guests_enabled();
	session_refresh_guest(client, refresh_token, device, now, response);
}
