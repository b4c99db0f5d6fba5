/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  The claims about a user in access tokens, ID tokens and userinfo
 *	  (docs/authgear.md, sections 5.1 to 5.3).
 *
 * Claims are written in a fixed order, as JSON text: signing needs no other form,
 * and the hook access_token_claims can append to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "domain/claims.h"
#include "domain/hook.h"
#include "domain/own_jwt.h"
#include "domain/passkey_policy.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "login_id/login_id.h"
#include "store/login_ids.h"
#include "store/passkeys.h"
#include "store/device_keys.h"
#include "store/passwords.h"
#include "store/settings.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/user_identities.h"
#include "store/users.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

/*
 * Return whether the user can log in again on a page: with a password, with a code that is
 * sent to a verified address, or with a passkey.  No page can use a device key.
 */
static bool
can_reauthenticate(const User *user)
{
	return !user->is_anonymous &&
		(user->has_password || user->is_verified || passkey_policy_opens_pages(user));
}

/* Add the claims about the user that every token and userinfo have. */
static void
add_user_claims(StringInfo json, const User *user)
{
	json_add_boolean(json, USER_CLAIM_PREFIX "is_anonymous", user->is_anonymous);
	json_add_boolean(json, USER_CLAIM_PREFIX "is_verified", user->is_verified);
	json_add_boolean(json, USER_CLAIM_PREFIX "can_reauthenticate", can_reauthenticate(user));
	json_add_strings(json, USER_CLAIM_PREFIX "roles", &user->roles);
}

const char *
claims_token_role(void)
{
	return settings_get()->token_role;
}

/* Add when and how the user authenticated for this session. */
static void
add_authentication_claims(StringInfo json, const Session *session)
{
	json_add_integer(json, "auth_time", unix_seconds(session->authenticated_at));
	if (session->amr.count > 0)
		json_add_strings(json, "amr", &session->amr);
}

/*
 * Add the claims of an access token (RFC 9068), with "roles" (section 2.2.3.1), and the
 * claim "role", by which PostgREST sets the role of a request in the database.  client_id is NULL for a cookie session
 * that has no client.
 */
static void
add_access_claims(StringInfo json, const char *client_id, const User *user,
				  const Session *session, int64 expires_at)
{
	const Settings *settings = settings_get();

	json_add_string(json, "iss", settings->issuer);
	json_add_string(json, "aud", settings->audience);
	json_add_uuid(json, "sub", &user->id);
	if (client_id != NULL)
		json_add_string(json, "client_id", client_id);
	json_add_uuid(json, "sid", &session->id);
	json_add_integer(json, "exp", expires_at);
	add_authentication_claims(json, session);
	json_add_string(json, "role", claims_token_role());
	json_add_boolean(json, "is_anonymous", user->is_anonymous);
	json_add_strings(json, "roles", &user->roles);
	add_user_claims(json, user);
}

char *
claims_of_session(const User *user, const Session *session)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	add_access_claims(&json, session->client_id, user, session,
					  unix_seconds(session->expires_at));
	json_close(&json);
	hook_access_token_claims(settings_get()->access_token_claims, &json);
	return json.data;
}

/* Whether access tokens of a session are bound to its key (RFC 9449, section 6). */
static bool
binds_access_tokens(const Client *client, const Session *session)
{
	return client->dpop == DPOP_REQUIRED && session->dpop_jkt != NULL;
}

static char *
make_access_token(const Client *client, const User *user, const Session *session,
				  TimestampTz now)
{
	int64		seconds = unix_seconds(now);
	pg_uuid_t	jti = uuid_new_v7(now);
	StringInfoData json;
	char	   *token;

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "jti", &jti);
	json_add_integer(&json, "iat", seconds);
	add_access_claims(&json, client->client_id, user, session,
					  seconds + client->access_token_lifetime_seconds);
	if (binds_access_tokens(client, session))
	{
		json_add_name(&json, "cnf");
		json_open(&json);
		json_add_string(&json, "jkt", session->dpop_jkt);
		json_close(&json);
	}
	json_close(&json);
	hook_access_token_claims(settings_get()->access_token_claims, &json);
	token = own_jwt_sign(json.data, json.len, NULL, "at+jwt");
	pfree(json.data);
	return token;
}

/* OpenID Connect Core, section 2.  access_token and nonce may be NULL. */
static char *
make_id_token(const Client *client, const User *user, const Session *session,
			  const char *access_token, const char *nonce, TimestampTz now)
{
	int64		seconds = unix_seconds(now);
	StringInfoData json;
	char	   *token;
	char	   *kid = NULL;
	char	   *at_hash = access_token == NULL ? NULL : own_jwt_at_hash(access_token, &kid);

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "iss", settings_get()->issuer);
	json_add_name(&json, "aud");
	appendStringInfoChar(&json, '[');
	json_append_string(&json, client->client_id);
	appendStringInfoChar(&json, ']');
	json_add_uuid(&json, "sub", &user->id);
	json_add_uuid(&json, "sid", &session->id);
	json_add_integer(&json, "iat", seconds);
	json_add_integer(&json, "exp", seconds + SHORT_LIFETIME_SECONDS);
	add_authentication_claims(&json, session);
	if (nonce != NULL)
		json_add_string(&json, "nonce", nonce);
	if (at_hash != NULL)
		json_add_string(&json, "at_hash", at_hash);
	add_user_claims(&json, user);
	json_close(&json);
	token = own_jwt_sign(json.data, json.len, kid, "JWT");
	pfree(json.data);
	return token;
}

void
claims_issue_tokens(const Client *client, const User *user, const Session *session,
					const char *refresh_token, const char *nonce, TimestampTz now,
					TokenResponse *response)
{
	response->sub = user->id;
	response->token_type = binds_access_tokens(client, session) ? "DPoP" : "Bearer";
	response->access_token = make_access_token(client, user, session, now);
	response->expires_in = client->access_token_lifetime_seconds;
	response->refresh_token = refresh_token == NULL ? NULL : pstrdup(refresh_token);
	response->id_token = client->id_token != ID_TOKEN_ALWAYS ? NULL :
		make_id_token(client, user, session, response->access_token, nonce, now);
}

char *
claims_issue_id_token(const Client *client, const User *user, const Session *session,
					  TimestampTz now)
{
	return make_id_token(client, user, session, NULL, NULL, now);
}

/* ---- userinfo ---- */

/* Add a time in ISO 8601, in UTC. */
static void
add_time(StringInfo json, const char *name, TimestampTz time)
{
	char		text[MAXDATELEN + 1];
	int			utc = 0;
	Datum		value = TimestampTzGetDatum(time);

	JsonEncodeDateTime(text, value, TIMESTAMPTZOID, &utc);
	json_add_string(json, name, text);
}

/* Begin an object of an array: what identities and authenticators have in common. */
static void
begin_item(StringInfo json, TimestampTz created_at, TimestampTz updated_at, const char *type)
{
	if (json->data[json->len - 1] != '[')
		appendStringInfoChar(json, ',');
	json_open(json);
	add_time(json, "created_at", created_at);
	add_time(json, "updated_at", updated_at);
	json_add_string(json, "type", type);
}

/* Return Authgear's name for a type of login ID. */
static const char *
authgear_login_id_type(LoginIdType type)
{
	return type == LOGIN_ID_PHONE_NUMBER ? "phone" : login_id_type_name(type);
}

/* Authgear's items of identities at other providers name a type of provider. */
static void
add_provider_identities(StringInfo json, const User *user)
{
	int			count;
	UserIdentity *identities = user_identities_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		begin_item(json, identities[i].created_at, identities[i].last_used_at, "oauth");
		json_add_string(json, "issuer", identities[i].issuer);
		json_add_string(json, "subject", identities[i].subject);
		json_close(json);
	}
}

static void
add_device_keys(StringInfo json, const User *user)
{
	int			count;
	DeviceKey  *keys = device_keys_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		begin_item(json, keys[i].created_at, keys[i].last_used_at, "biometric");
		json_close(json);
	}
}

/* Usernames cannot be verified. */
static void
add_login_id(StringInfo json, const LoginIdRow *row)
{
	begin_item(json, row->created_at, row->updated_at, "login_id");
	json_add_string(json, "login_id_key", authgear_login_id_type(row->type));
	json_add_string(json, "login_id_type", authgear_login_id_type(row->type));
	json_add_string(json, login_id_claim(row->type), row->value);
	json_add_string(json, "original_value", row->original_value);
	if (row->type != LOGIN_ID_USERNAME)
		json_add_boolean(json, "is_verified", row->verified);
	json_close(json);
}

static void
add_identities(StringInfo json, const User *user, const LoginIdRow *login_ids, int count)
{
	int			i;

	json_add_name(json, USER_CLAIM_PREFIX "identities");
	appendStringInfoChar(json, '[');
	if (user->is_anonymous)
	{
		begin_item(json, user->created_at, user->created_at, "anonymous");
		json_close(json);
	}
	for (i = 0; i < count; i++)
		add_login_id(json, &login_ids[i]);
	add_provider_identities(json, user);
	add_device_keys(json, user);
	appendStringInfoChar(json, ']');
}

static void
add_authenticators(StringInfo json, const User *user)
{
	int			count;
	Passkey    *passkeys = passkeys_of(user, &count);
	PasswordRow password;
	int			i;

	json_add_name(json, USER_CLAIM_PREFIX "authenticators");
	appendStringInfoChar(json, '[');
	if (passwords_find(&user->id, &password))
	{
		begin_item(json, password.created_at, password.updated_at, "password");
		json_add_string(json, "kind", "primary");
		json_close(json);
	}
	for (i = 0; i < count; i++)
	{
		begin_item(json, passkeys[i].created_at, passkeys[i].last_used_at, "passkey");
		json_add_string(json, "kind", "primary");
		json_close(json);
	}
	appendStringInfoChar(json, ']');
}

/*
 * Return the login ID that the claim of a type names: that of the user's attribute, or, if
 * it is not verified, the oldest verified one.  NULL if the attribute is no login ID.
 */
static const LoginIdRow *
find_claimed(const User *user, LoginIdType type, const LoginIdRow *login_ids, int count)
{
	const char *value = json_cstring(user->standard_attributes, login_id_claim(type));
	const LoginIdRow *named = NULL;
	const LoginIdRow *verified = NULL;
	int			i;

	for (i = 0; i < count; i++)
	{
		if (login_ids[i].type != type)
			continue;
		if (verified == NULL && login_ids[i].verified)
			verified = &login_ids[i];
		if (value != NULL && strcmp(login_ids[i].value, value) == 0)
			named = &login_ids[i];
	}
	return named != NULL && !named->verified && verified != NULL ? verified : named;
}

/*
 * Add the address that the claim of a type names, and whether it is verified, if the user has
 * login IDs of that type.
 */
static void
add_address_claims(StringInfo json, const User *user, LoginIdType type, const char *verified_claim,
				   const LoginIdRow *login_ids, int count)
{
	const LoginIdRow *claimed = find_claimed(user, type, login_ids, count);
	int			i;

	if (claimed != NULL)
		json_add_string(json, login_id_claim(type), claimed->value);
	for (i = 0; i < count && login_ids[i].type != type; i++)
		;
	if (i < count)
		json_add_boolean(json, verified_claim, claimed != NULL && claimed->verified);
}

/*
 * An application may write anything into standard_attributes.  The claims that
 * the server itself answers for replace attributes of the same name.
 */
Jsonb *
claims_userinfo(const User *user)
{
	int			count;
	LoginIdRow *login_ids = login_ids_of(user, &count);
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "sub", &user->id);
	add_user_claims(&json, user);
	add_authenticators(&json, user);
	add_identities(&json, user, login_ids, count);
	json_add_boolean(&json, USER_CLAIM_PREFIX "recovery_code_enabled", false);
	json_add_raw(&json, "custom_attributes", json_from_jsonb(user->custom_attributes));
	json_add_raw(&json, "x_web3", "{}");
	json_add_integer(&json, "updated_at", unix_seconds(user->updated_at));
	if (user->delete_at != 0)
		add_time(&json, "delete_at", user->delete_at);
	add_address_claims(&json, user, LOGIN_ID_EMAIL, "email_verified", login_ids, count);
	add_address_claims(&json, user, LOGIN_ID_PHONE_NUMBER, "phone_number_verified", login_ids,
					   count);
	json_close(&json);

	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(user->standard_attributes),
											  JsonbPGetDatum(json_to_jsonb(json.data))));
}
