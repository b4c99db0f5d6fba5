/*-------------------------------------------------------------------------
 *
 * tokens.c
 *	  What access tokens and ID tokens say (docs/authgear.md, 5.2 and 5.3).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/domain.h"
#include "domain/hook.h"
#include "json/json.h"
#include "lib/stringinfo.h"
#include "utils/json.h"

/* A regular user always has a password, a guest never has one. */
void
user_claims_add(StringInfo json, const User *user)
{
	json_add_boolean(json, USER_CLAIM_PREFIX "is_anonymous", user->is_anonymous);
	json_add_boolean(json, USER_CLAIM_PREFIX "is_verified", user->is_verified);
	json_add_boolean(json, USER_CLAIM_PREFIX "can_reauthenticate", !user->is_anonymous);
	json_add_raw(json, USER_CLAIM_PREFIX "roles", "[]");
}

/*
 * RFC 9068, with the role claim of PostgREST.  A cookie session may have no
 * client.
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
	json_add_integer(json, "auth_time", unix_seconds(session->authenticated_at));
	json_add_string(json, "role", settings->token_role);
	json_add_boolean(json, "is_anonymous", user->is_anonymous);
	user_claims_add(json, user);
}

char *
session_claims(const User *user, const Session *session)
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
					  seconds + client->access_token_lifetime);
	json_close(&json);
	hook_access_token_claims(settings_get()->access_token_claims, &json);
	token = own_jwt_sign(json.data, json.len, NULL, "at+jwt");
	pfree(json.data);
	return token;
}

/* OpenID Connect Core, section 2. */
static char *
make_id_token(const Client *client, const User *user, const Session *session,
			  const char *nonce, TimestampTz now)
{
	int64		seconds = unix_seconds(now);
	StringInfoData json;
	char	   *token;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "iss", settings_get()->issuer);
	json_add_name(&json, "aud");
	appendStringInfoChar(&json, '[');
	escape_json(&json, client->client_id);
	appendStringInfoChar(&json, ']');
	json_add_uuid(&json, "sub", &user->id);
	json_add_uuid(&json, "sid", &session->id);
	json_add_integer(&json, "iat", seconds);
	json_add_integer(&json, "exp", seconds + SHORT_LIFETIME_SECONDS);
	json_add_integer(&json, "auth_time", unix_seconds(session->authenticated_at));
	if (nonce != NULL)
		json_add_string(&json, "nonce", nonce);
	user_claims_add(&json, user);
	json_close(&json);
	token = own_jwt_sign(json.data, json.len, NULL, "JWT");
	pfree(json.data);
	return token;
}

void
tokens_issue(const Client *client, const User *user, const Session *session,
			 const char *refresh_token, const char *nonce, TimestampTz now,
			 TokenResponse *response)
{
	response->sub = user->id;
	response->access_token = make_access_token(client, user, session, now);
	response->expires_in = client->access_token_lifetime;
	response->refresh_token = pstrdup(refresh_token);
	response->id_token = make_id_token(client, user, session, nonce, now);
}
