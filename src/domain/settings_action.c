/*-------------------------------------------------------------------------
 *
 * settings_action.c
 *	  One page of the settings that an application opens for its user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/raise.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "counters/counters.h"
#include "domain/authenticated_json.h"
#include "domain/authorization.h"
#include "domain/client.h"
#include "domain/lifetimes.h"
#include "domain/settings_action.h"
#include "jose/base64url.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "keyring/master_key.h"
#include "store/clients.h"

/* Random bytes of a code, so that no two are equal. */
#define CODE_ID_LENGTH	16

static const struct
{
	const char *name;
	const char *path;
	bool		is_for_guests;
}			actions[] = {
	{"change_password", "change_password", false},
	{"delete_account", "delete_account", true},
	{"add_email", "identity/add_email", false},
	{"add_phone", "identity/add_phone", false},
	{"add_username", "identity/add_username", false},
	{"change_email", "identity/change_email", false},
	{"change_phone", "identity/change_phone", false},
	{"change_username", "identity/change_username", false}
};

const char *
settings_action_path(const char *name, bool *is_for_guests)
{
	int			i;

	for (i = 0; i < lengthof(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
		{
			if (is_for_guests != NULL)
				*is_for_guests = actions[i].is_for_guests;
			return actions[i].path;
		}
	return NULL;
}

static void
add_string_unless_null(StringInfo json, const char *name, const char *value)
{
	if (value != NULL)
		json_add_string(json, name, value);
}

char *
settings_action_write(const SettingsAction *action)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "action", action->name);
	json_add_string(&json, "client_id", action->client_id);
	json_add_string(&json, "redirect_uri", action->redirect_uri);
	add_string_unless_null(&json, "state", action->state);
	add_string_unless_null(&json, "ui_locales", action->ui_locales);
	add_string_unless_null(&json, "login_id", action->login_id);
	json_add_string(&json, "code_challenge", action->code_challenge);
	json_add_uuid(&json, "sid", &action->session_id);
	json_add_integer(&json, "exp", unix_seconds(action->expires_at));
	json_close(&json);
	return authenticated_json_write(MASTER_KEY_SETTINGS_ACTION, &json);
}

/* Fill in what settings_action_origin() promises, from authenticated JSON. */
static bool
read_origin(Jsonb *json, SettingsAction *action, Client *client)
{
	memset(action, 0, sizeof(SettingsAction));
	action->client_id = json_cstring(json, "client_id");
	action->redirect_uri = json_cstring(json, "redirect_uri");
	action->state = json_cstring(json, "state");
	action->ui_locales = json_cstring(json, "ui_locales");
	return clients_find(action->client_id, client) &&
		client_has_redirect_uri(client, action->redirect_uri);
}

bool
settings_action_origin(const char *text, SettingsAction *action, Client *client)
{
	Jsonb	   *json = authenticated_json_read(MASTER_KEY_SETTINGS_ACTION, text);

	return json != NULL && read_origin(json, action, client);
}

bool
settings_action_read(const char *text, const Session *session, TimestampTz now,
					 SettingsAction *action, Client *client)
{
	Jsonb	   *json = authenticated_json_read(MASTER_KEY_SETTINGS_ACTION, text);
	int64		expires_at;

	if (json == NULL || !read_origin(json, action, client) ||
		!json_numeric_date(json, "exp", &expires_at) || expires_at <= unix_seconds(now) ||
		!json_uuid(json, "sid", &action->session_id) ||
		!uuid_equals(&action->session_id, &session->id))
		return false;
	action->name = json_cstring(json, "action");
	action->login_id = json_cstring(json, "login_id");
	action->code_challenge = json_cstring(json, "code_challenge");
	return true;
}

/* ---- codes ---- */

char *
settings_action_create_code(const SettingsAction *action, TimestampTz now)
{
	uint8		bytes[CODE_ID_LENGTH];
	char		id[BASE64URL_ENCODED_LENGTH(CODE_ID_LENGTH) + 1];
	StringInfoData json;

	randombytes_buf(bytes, sizeof(bytes));
	id[base64url_encode(id, bytes, sizeof(bytes))] = '\0';
	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "jti", id);
	json_add_string(&json, "client_id", action->client_id);
	json_add_string(&json, "redirect_uri", action->redirect_uri);
	json_add_string(&json, "code_challenge", action->code_challenge);
	json_add_integer(&json, "exp", unix_seconds(now + SHORT_LIFETIME));
	json_close(&json);
	return authenticated_json_write(MASTER_KEY_SETTINGS_ACTION_CODE, &json);
}

/* Note the use of a code.  A counter keeps it, which a rollback does not undo. */
static void
mark_used(const Jsonb *json)
{
	char	   *name = psprintf("settings_action/used/%s", json_cstring(json, "jti"));
	int64		uses = counter_increment(name, SHORT_LIFETIME, false);

	if (uses == 0)
		raise_counters_full();
	if (uses > 1)
		raise_invalid_authorization_code();
}

void
settings_action_use_code(const Client *client, const char *code, const char *redirect_uri,
						 const char *code_verifier, TimestampTz now)
{
	Jsonb	   *json;
	int64		expires_at;

	client_require_first_party(client);
	authorization_check_verifier(code_verifier);
	json = authenticated_json_read(MASTER_KEY_SETTINGS_ACTION_CODE, code);
	if (json == NULL || !json_numeric_date(json, "exp", &expires_at) ||
		expires_at <= unix_seconds(now) ||
		!json_string_equals(json, "client_id", client->client_id) ||
		!authorization_verifier_matches(code_verifier, json_cstring(json, "code_challenge")))
		raise_invalid_authorization_code();
	if (!json_string_equals(json, "redirect_uri", redirect_uri))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid redirect URI"),
				 errdetail("The code was issued for another redirect URI.")));
	mark_used(json);
}
