/*-------------------------------------------------------------------------
 *
 * userinfo.c
 *	  What the user may know of itself (docs/authgear.md, 5.1).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "catalog/pg_type.h"
#include "domain/domain.h"
#include "json/json.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

static void
add_time(StringInfo json, const char *name, TimestampTz time)
{
	char		text[MAXDATELEN + 1];
	int			utc = 0;
	Datum		value = TimestampTzGetDatum(time);

	JsonEncodeDateTime(text, value, TIMESTAMPTZOID, &utc);
	json_add_string(json, name, text);
}

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

/* Authgear calls the kinds of login ID so. */
static const char *
login_id_key(LoginIdType type)
{
	return type == LOGIN_ID_PHONE_NUMBER ? "phone" : login_id_type_name(type);
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
	{
		begin_item(json, login_ids[i].created_at, login_ids[i].updated_at, "login_id");
		json_add_string(json, "login_id_key", login_id_key(login_ids[i].type));
		json_add_string(json, "login_id_type", login_id_key(login_ids[i].type));
		json_close(json);
	}
	appendStringInfoChar(json, ']');
}

static void
add_authenticators(StringInfo json, const User *user)
{
	PasswordRow password;

	json_add_name(json, USER_CLAIM_PREFIX "authenticators");
	appendStringInfoChar(json, '[');
	if (password_find(&user->id, &password))
	{
		begin_item(json, password.created_at, password.updated_at, "password");
		json_add_string(json, "kind", "primary");
		json_close(json);
	}
	appendStringInfoChar(json, ']');
}

static void
add_verified(StringInfo json, const LoginIdRow *login_ids, int count)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		if (login_ids[i].type == LOGIN_ID_EMAIL)
			json_add_boolean(json, "email_verified", login_ids[i].verified);
		else if (login_ids[i].type == LOGIN_ID_PHONE_NUMBER)
			json_add_boolean(json, "phone_number_verified", login_ids[i].verified);
	}
}

/*
 * The claims that we vouch for are put over the standard attributes, which an
 * application may write as it likes.
 */
Jsonb *
userinfo_make(const User *user)
{
	int			count;
	LoginIdRow *login_ids = login_ids_of(user, &count);
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "sub", &user->id);
	user_claims_add(&json, user);
	add_authenticators(&json, user);
	add_identities(&json, user, login_ids, count);
	json_add_boolean(&json, USER_CLAIM_PREFIX "recovery_code_enabled", false);
	json_add_raw(&json, "custom_attributes", jsonb_to_json(user->custom_attributes));
	json_add_raw(&json, "x_web3", "{}");
	json_add_integer(&json, "updated_at", unix_seconds(user->updated_at));
	add_verified(&json, login_ids, count);
	json_close(&json);

	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(user->standard_attributes),
											  JsonbPGetDatum(json_to_jsonb(json.data))));
}

void
session_owner(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz now, User *user)
{
	Session		session;

	if (session_id == NULL || !session_find(user_id, session_id, now, &session, user) ||
		!user_find(user_id, user) || user->is_disabled)
		raise_invalid_session("The session has ended, or the user is disabled or gone.");
}

Jsonb *
userinfo_of_session(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz now)
{
	User		user;

	session_owner(user_id, session_id, now, &user);
	return userinfo_make(&user);
}
