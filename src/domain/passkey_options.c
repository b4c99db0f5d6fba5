/*-------------------------------------------------------------------------
 *
 * passkey_options.c
 *	  What a browser needs to make or use a passkey.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "domain/client.h"
#include "domain/passkey.h"
#include "domain/passkey_challenge.h"
#include "domain/passkey_options.h"
#include "domain/passkey_policy.h"
#include "domain/recent_login.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "jose/base64url.h"
#include "lib/stringinfo.h"
#include "store/passkeys.h"
#include "store/settings.h"
#include "webauthn/cose_key.h"

/* Claims that may name the user in the list of the authenticator, the best first. */
static const char *const name_claims[] = {"email", "phone_number", "preferred_username"};

static void
add_timeout(StringInfo json)
{
	json_add_integer(json, "timeout", PASSKEY_TIMEOUT_SECONDS * 1000);
}

static void
add_rp(StringInfo json, const PasskeyPolicy *policy)
{
	json_add_name(json, "rp");
	json_open(json);
	json_add_string(json, "id", policy->passkey_rp_id);
	json_add_string(json, "name", policy->passkey_rp_name);
	json_close(json);
}

/*
 * Return a name by which people tell the user from their other ones.  Somebody without a login
 * ID gets the end of the id, which is random.
 */
static char *
name_of(const pg_uuid_t *id, const User *user)
{
	char	   *name;
	int			i;

	for (i = 0; user != NULL && i < lengthof(name_claims); i++)
	{
		name = json_cstring(user->standard_attributes, name_claims[i]);
		if (name != NULL)
			return name;
	}
	return psprintf("%s %02x%02x%02x", user != NULL && user->is_anonymous ? "guest" : "user",
					id->data[13], id->data[14], id->data[15]);
}

/* The user handle, which the authenticator keeps with the passkey. */
static void
add_handle(StringInfo json, const char *name, const pg_uuid_t *id)
{
	char		handle[BASE64URL_ENCODED_LENGTH(UUID_LEN) + 1] = "";

	base64url_encode(handle, id->data, UUID_LEN);
	json_add_string(json, name, handle);
}

/* user is NULL for an account that is to be made.  Without a name, it is the user's own. */
static void
add_user(StringInfo json, const pg_uuid_t *id, const User *user, const char *name)
{
	char	   *display = user == NULL ? NULL : json_cstring(user->standard_attributes, "name");

	if (name == NULL)
		name = name_of(id, user);
	json_add_name(json, "user");
	json_open(json);
	add_handle(json, "id", id);
	json_add_string(json, "name", name);
	json_add_string(json, "displayName", display != NULL ? display : name);
	json_close(json);
}

static void
add_algorithms(StringInfo json)
{
	int			i;

	json_add_name(json, "pubKeyCredParams");
	json_open_array(json);
	for (i = 0; i < cose_algorithm_count; i++)
	{
		json_open(json);
		json_add_string(json, "type", "public-key");
		json_add_integer(json, "alg", cose_algorithms[i]);
		json_close(json);
	}
	json_close_array(json);
}

/* user is NULL for somebody who has none. */
static void
add_passkeys(StringInfo json, const char *name, const User *user)
{
	int			count = 0;
	Passkey    *passkeys = user == NULL ? NULL : passkeys_of(user, &count);
	int			i;

	json_add_name(json, name);
	json_open_array(json);
	for (i = 0; i < count; i++)
	{
		json_open(json);
		json_add_string(json, "type", "public-key");
		json_add_string(json, "id", passkey_id_text(&passkeys[i]));
		if (passkeys[i].transports.count > 0)
			json_add_strings(json, "transports", &passkeys[i].transports);
		json_close(json);
	}
	json_close_array(json);
}

static void
add_selection(StringInfo json, const PasskeyPolicy *policy)
{
	json_add_name(json, "authenticatorSelection");
	json_open(json);
	json_add_string(json, "residentKey", "required");
	json_add_boolean(json, "requireResidentKey", true);
	json_add_string(json, "userVerification", passkey_policy_user_verification(policy));
	json_close(json);
}

/* user is as in add_user(); owner is the user whose passkeys are excluded, or NULL. */
static char *
creation_options(ChallengePurpose purpose, const pg_uuid_t *id, const User *user,
				 const User *owner, const char *name, TimestampTz now)
{
	StringInfoData json;
	PasskeyPolicy policy;

	passkey_policy_read(&policy);
	initStringInfo(&json);
	json_open(&json);
	add_rp(&json, &policy);
	add_user(&json, id, user, name);
	json_add_string(&json, "challenge", passkey_challenge_make(purpose, id, now));
	add_algorithms(&json);
	add_timeout(&json);
	add_passkeys(&json, "excludeCredentials", owner);
	add_selection(&json, &policy);
	json_add_string(&json, "attestation", "none");
	json_add_raw(&json, "extensions", "{\"credProps\": true}");
	json_close(&json);
	return json.data;
}

char *
passkey_options_for_user(const User *user, const Session *session, TimestampTz now)
{
	recent_login_require(user, session, now);
	return creation_options(CHALLENGE_PASSKEY_ADD, &user->id, user, user, NULL, now);
}

char *
passkey_options_for_guest(const User *user, TimestampTz now)
{
	return creation_options(CHALLENGE_PASSKEY_ADD, &user->id, user, user, NULL, now);
}

char *
passkey_options_for_sign_up(TimestampTz now)
{
	pg_uuid_t	id = users_new_id(NULL, now);

	if (!settings_get()->public_sign_up_enabled)
		raise_sign_up_closed();
	return creation_options(CHALLENGE_PASSKEY_SIGN_UP, &id, NULL, NULL, NULL, now);
}

char *
passkey_options_for_account(const pg_uuid_t *guest, const char *name, TimestampTz now)
{
	pg_uuid_t	id = guest != NULL ? *guest : users_new_id(NULL, now);
	User		user;
	bool		is_found = guest != NULL && users_find(guest, &user);

	return creation_options(guest != NULL ? CHALLENGE_PASSKEY_ADD : CHALLENGE_PASSKEY_SIGN_UP,
							&id, NULL, is_found ? &user : NULL, name, now);
}

/* Without allowCredentials, the browser offers all passkeys that it has for the RP ID. */
char *
passkey_options_to_log_in(const pg_uuid_t *user_id, TimestampTz now)
{
	User		user;
	StringInfoData json;
	PasskeyPolicy policy;

	passkey_policy_read(&policy);
	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "challenge", passkey_challenge_make(CHALLENGE_PASSKEY_LOGIN, NULL, now));
	add_timeout(&json);
	json_add_string(&json, "rpId", policy.passkey_rp_id);
	json_add_string(&json, "userVerification", passkey_policy_user_verification(&policy));
	if (user_id != NULL && users_find(user_id, &user))
		add_passkeys(&json, "allowCredentials", &user);
	json_close(&json);
	return json.data;
}

char *
passkey_options_for_login(const Client *client, TimestampTz now)
{
	client_require_first_party(client);
	return passkey_options_to_log_in(NULL, now);
}

char *
passkey_options_accepted(const User *user)
{
	StringInfoData json;
	PasskeyPolicy policy;
	int			count;
	Passkey    *passkeys = passkeys_of(user, &count);
	StringList	ids = {.items = palloc(sizeof(char *) * (count + 1))};

	for (ids.count = 0; ids.count < count; ids.count++)
		ids.items[ids.count] = passkey_id_text(&passkeys[ids.count]);
	passkey_policy_read(&policy);
	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "rpId", policy.passkey_rp_id);
	add_handle(&json, "userId", &user->id);
	json_add_strings(&json, "allAcceptedCredentialIds", &ids);
	json_close(&json);
	return json.data;
}
