/*-------------------------------------------------------------------------
 *
 * passkey.c
 *	  Passkeys of guests and accounts: login, adding and removing.
 *
 * Locking: the user's row is locked before its passkeys.  So the responses of one user
 * are used one after the other, and a login waits for a removal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/auth_methods.h"
#include "domain/challenge.h"
#include "domain/client.h"
#include "domain/credential_name.h"
#include "domain/credentials.h"
#include "domain/login.h"
#include "domain/message.h"
#include "domain/passkey.h"
#include "domain/passkey_challenge.h"
#include "domain/rate_limit.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "jose/base64url.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "lib/stringinfo.h"
#include "store/events.h"

char *
passkey_id_text(const Passkey *passkey)
{
	Span		id = passkeys_id(passkey);
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(id.length) + 1);

	base64url_encode(text, (const uint8 *) id.data, id.length);
	return text;
}

/* Return the payload of an event about a passkey. */
static Jsonb *
payload_of(const Passkey *passkey)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "credential_id", passkey_id_text(passkey));
	json_close(&json);
	return json_to_jsonb(json.data);
}

pg_noreturn static void
raise_used(void)
{
	raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was used before.");
}

StringList
passkey_methods(const PasskeyResponse *response)
{
	return response->user_verified ? auth_methods_verified_passkey : auth_methods_passkey;
}

/* ---- login ---- */

void
passkey_find(const PasskeyResponse *response, Passkey *passkey)
{
	passkey_response_require(response, false);
	if (!passkeys_find(response->credential_id, passkey))
		raise_invalid_passkey(PASSKEY_UNKNOWN, NULL);
	passkey_response_verify(response, passkey);
}

/*
 * Whether the counter says that this response is later than the last accepted one.  An
 * authenticator without a counter sends 0.
 */
static bool
counter_increases(const Passkey *passkey, const PasskeyResponse *response)
{
	int64		count = response->data.sign_count;

	return count > passkey->sign_count || (count == 0 && passkey->sign_count == 0);
}

/*
 * A passkey whose counter does not increase stays usable: the response may be an old one, or
 * the authenticator was reset.  The event tells the administrator.  It is the only one of this
 * login, as refresh_token.reused is of a refresh.
 */
static void
record_counter(const Client *client, const Passkey *passkey, const PasskeyResponse *response,
			   TimestampTz now)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "credential_id", passkey_id_text(passkey));
	json_add_integer(&json, "expected_above", passkey->sign_count);
	json_add_integer(&json, "received", response->data.sign_count);
	json_close(&json);
	events_insert("passkey.counter_not_increased", &passkey->user_id, client->client_id,
				  json_to_jsonb(json.data), now);
}

PasskeyLoginResult
passkey_log_in(const Client *client, const PasskeyResponse *response, const Passkey *passkey,
			   TimestampTz now, User *user)
{
	const pg_uuid_t *owner = &passkey->user_id;
	bool		is_enabled;
	Passkey		row;
	bytea	   *window;

	rate_limit_passkey(passkey_id_text(passkey));
	is_enabled = users_log_in(owner, now, user);
	/*
	 * While this login waited for the user's row, another one may have used the passkey, or
	 * it may have been removed, perhaps with the user.
	 */
	if (!passkeys_find(passkey->credential_id, &row) ||
		memcmp(&row.user_id, owner, UUID_LEN) != 0)
		raise_invalid_passkey(PASSKEY_UNKNOWN, NULL);
	if (!is_enabled)
	{
		login_record_failure(client, owner, "passkey", "user is disabled", now);
		return PASSKEY_LOGIN_USER_DISABLED;
	}
	window = challenge_add(row.used_challenges, &response->challenge.challenge, now);
	if (window == NULL || !passkey_challenge_use(&response->challenge))
		raise_used();
	if (!counter_increases(&row, response))
	{
		record_counter(client, &row, response, now);
		return PASSKEY_LOGIN_COUNTER;
	}
	if (!passkeys_use(&row, window, response->data.sign_count,
					  (response->data.flags & AUTHENTICATOR_BACKED_UP) != 0, now))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	events_insert("user.authenticated", owner, client->client_id, NULL, now);
	counter_statistic_at_commit(COUNTER_PASSKEY_LOGINS, 1);
	return PASSKEY_LOGIN_DONE;
}

/*
 * Authenticators need not send the user handle if the page has asked for the passkeys of a
 * known user (WebAuthn Level 3, section 7.2).
 */
static void
expect_user(PasskeyResponse *response, const pg_uuid_t *known)
{
	if (known != NULL && response->user_handle.length == 0)
		response->user_handle = (Span) {(const char *) known->data, UUID_LEN};
}

PasskeyLoginResult
passkey_log_in_on_page(const Client *client, Jsonb *json, const pg_uuid_t *known,
					   TimestampTz now, User *user, StringList *methods)
{
	PasskeyResponse response;
	Passkey		passkey;

	passkey_response_read(json, now, &response);
	expect_user(&response, known);
	passkey_find(&response, &passkey);
	if (known != NULL && !uuid_equals(&passkey.user_id, known))
	{
		login_record_failure(client, &passkey.user_id, "passkey", "another user must log in",
							 now);
		return PASSKEY_LOGIN_OTHER_USER;
	}
	*methods = passkey_methods(&response);
	return passkey_log_in(client, &response, &passkey, now, user);
}

bool
passkey_authenticate(const Client *client, Jsonb *json, const DeviceReport *device,
					 TimestampTz now, TokenResponse *response)
{
	StringList	methods;
	User		user;

	client_require_first_party(client);
	if (passkey_log_in_on_page(client, json, NULL, now, &user, &methods) != PASSKEY_LOGIN_DONE)
		return false;
	session_start(client, &user, &methods, device, now, response);
	return true;
}

/* ---- adding ---- */

void
passkey_require_user(const PasskeyResponse *response, const pg_uuid_t *user_id)
{
	if (response->challenge.challenge.purpose != CHALLENGE_PASSKEY_ADD)
		raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was issued for another purpose.");
	if (memcmp(response->challenge.user_id, user_id->data, UUID_LEN) != 0)
		raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was issued for another user.");
}

/* Same as passkey_insert(), for the user as it is now. */
static void
insert_passkey(const PasskeyResponse *response, const User *user, const char *name,
			   TimestampTz now)
{
	Passkey		passkey = passkey_response_passkey(response);
	pg_uuid_t	route = passkeys_route(passkey.credential_id);
	int			count;

	passkey.user_id = user->id;
	passkey.name = (char *) name;
	(void) passkeys_of(user, &count);
	if (count >= PASSKEYS_MAX)
		raise_invalid_passkey(PASSKEY_TOO_MANY, NULL);
	if (!passkeys_insert(&passkey, now))
		raise_invalid_passkey(PASSKEY_EXISTS, NULL);
	if (!passkey_challenge_use(&response->challenge))
		raise_used();
	users_add_passkey(&user->id, &route, now);
}

void
passkey_insert(const PasskeyResponse *response, const pg_uuid_t *user_id, const char *name,
			   TimestampTz now)
{
	User		user;

	if (!users_find(user_id, &user))
		elog(ERROR, "the user of a passkey is gone");
	insert_passkey(response, &user, name, now);
}

/* Users tell their passkeys by the names, so no name may imitate what stands beside it. */
char *
passkey_add(const User *user, const Session *session, Jsonb *json, const char *name,
			TimestampTz now)
{
	PasskeyResponse response;
	Passkey		added;

	credential_name_check(name, "passkey");
	recent_login_require(user, session, now);
	passkey_response_read(json, now, &response);
	passkey_response_require(&response, true);
	passkey_require_user(&response, &user->id);
	insert_passkey(&response, user, name, now);
	added.credential_id = response.credential_id;
	events_insert("passkey.added", &user->id, session->client_id, payload_of(&added), now);
	message_notify_user(user, MESSAGE_PASSKEY_ADDED, session->client_id, now);
	return passkey_id_text(&added);
}

/* ---- listing and removing ---- */

Passkey *
passkey_list(const User *user, int *count)
{
	return passkeys_of(user, count);
}

/* Find a passkey by its id in base64url. */
static bool
find_by_text(const char *id, Passkey *passkey)
{
	size_t		length = BASE64URL_DECODED_MAX(strlen(id));
	char	   *bytes = palloc(length + 1);

	return base64url_decode((uint8 *) bytes, &length, id, strlen(id)) == JOSE_OK &&
		passkeys_find(passkeys_id_of((Span) {bytes, length}), passkey);
}

bool
passkey_exists(const char *id)
{
	Passkey		passkey;

	return find_by_text(id, &passkey);
}

bool
passkey_has_made_account(const Jsonb *json)
{
	char	   *id = json_cstring(json, "id");
	pg_uuid_t	user_id;
	Passkey		passkey;
	User		user;

	return id != NULL && passkey_response_user(json, &user_id) &&
		find_by_text(id, &passkey) && uuid_equals(&passkey.user_id, &user_id) &&
		users_find(&user_id, &user) && !user.is_anonymous;
}

static void
remove_passkey(const Passkey *passkey, TimestampTz now)
{
	pg_uuid_t	route = passkeys_route(passkey->credential_id);

	if (passkeys_delete(passkey))
		users_remove_passkey(&passkey->user_id, &route, now);
}

/* A guest may remove the last one: it keeps its session, as a guest without a key. */
static void
require_other_credential(const User *user)
{
	Credentials credentials;

	if (user->is_anonymous)
		return;
	credentials_of(user, &credentials);
	credentials.passkeys--;
	if (!credentials_open_account(&credentials))
		raise_last_credential();
}

bool
passkey_remove(const User *user, const Session *session, const char *id, TimestampTz now)
{
	int			count;
	Passkey    *rows;
	int			i;

	recent_login_require(user, session, now);
	rows = passkeys_of(user, &count);
	for (i = 0; i < count; i++)
		if (strcmp(passkey_id_text(&rows[i]), id) == 0)
			break;
	if (i == count)
		return false;
	require_other_credential(user);
	remove_passkey(&rows[i], now);
	session_end_others(user, session, now);
	events_insert("passkey.removed", &user->id, session->client_id, payload_of(&rows[i]), now);
	message_notify_user(user, MESSAGE_PASSKEY_REMOVED, session->client_id, now);
	return true;
}

void
passkey_remove_all(const User *user, TimestampTz now)
{
	int			count;
	Passkey    *rows = passkeys_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
		remove_passkey(&rows[i], now);
}
