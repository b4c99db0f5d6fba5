/*-------------------------------------------------------------------------
 *
 * account_endpoint.c
 *	  POST /api/account/<function>: the functions by which users look after their
 *	  own account, with the names, arguments and results of the SQL functions.
 *
 * The functions array lists them.  A call does what the SQL function does for the session
 * that the request shows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_deletion.h"
#include "domain/account_device_key.h"
#include "domain/account_export.h"
#include "domain/claims.h"
#include "domain/federated_identity.h"
#include "domain/message_language.h"
#include "domain/own_login_ids.h"
#include "domain/own_profile.h"
#include "domain/own_sessions.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "domain/password_change.h"
#include "domain/verification.h"
#include "http/http_api.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define ACCOUNT_PATH "/api/account"

typedef struct AccountCall
{
	const Jsonb *body;
	User		user;
	Session		session;
	TimestampTz now;
} AccountCall;

typedef struct AccountFunction
{
	const char *name;
	const HttpMember *members;	/* the arguments; the last one has no name */
	bool		locks_user;		/* run() expects that the caller holds the user's row */
	const char *(*run) (AccountCall *call); /* returns the result as JSON */
} AccountFunction;

/* ---- arguments and results ---- */

static const char *const login_id_types[] = {"email", "phone_number", "username", NULL};
static const char *const address_types[] = {"email", "phone_number", NULL};

/* Return a login ID type that the check of the body has admitted; e-mail if it is absent. */
static LoginIdType
type_argument(const AccountCall *call, const char *name)
{
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (json_string_equals(call->body, name, login_id_type_name(type)))
			return type;
	return LOGIN_ID_EMAIL;
}

static char *
text_argument(const AccountCall *call, const char *name)
{
	return json_cstring(call->body, name);
}

static const char *
boolean_result(bool value)
{
	return value ? "true" : "false";
}

static const char *
time_result(TimestampTz time)
{
	return psprintf("\"%s\"", http_api_time(time));
}

/* ---- credentials ---- */

static const HttpMember change_password_members[] = {
	{.name = "new_password",.required = true},
	{.name = "old_password"},
	{0}
};

static const char *
change_password(AccountCall *call)
{
	return boolean_result(password_change_by_user(&call->user, &call->session,
												  text_argument(call, "new_password"),
												  text_argument(call, "old_password"),
												  call->now));
}

static const HttpMember request_login_id_code_members[] = {
	{.name = "type",.required = true,.values = address_types},
	{.name = "value",.required = true},
	{.name = "ui_locales"},
	{0}
};

static const char *
request_login_id_code(AccountCall *call)
{
	char	   *language = message_language_of_request(text_argument(call, "ui_locales"));

	return time_result(own_login_ids_request_code(&call->user, &call->session,
												  type_argument(call, "type"),
												  text_argument(call, "value"), language,
												  call->now));
}

static const HttpMember add_login_id_members[] = {
	{.name = "type",.required = true,.values = login_id_types},
	{.name = "value",.required = true},
	{.name = "code"},
	{0}
};

static const char *
add_login_id(AccountCall *call)
{
	LoginIdType type = type_argument(call, "type");
	char	   *code = text_argument(call, "code");

	if (type == LOGIN_ID_USERNAME && code != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("code is only for types email and phone_number")));
	return boolean_result(own_login_ids_add(&call->user, &call->session, type,
											text_argument(call, "value"), code, call->now));
}

static const HttpMember remove_login_id_members[] = {
	{.name = "type",.required = true,.values = login_id_types},
	{.name = "value",.required = true},
	{0}
};

static const char *
remove_login_id(AccountCall *call)
{
	return boolean_result(own_login_ids_remove(&call->user, &call->session,
											   type_argument(call, "type"),
											   text_argument(call, "value"), call->now));
}

static const HttpMember request_verification_members[] = {
	{.name = "login_id_type",.values = address_types},
	{.name = "ui_locales"},
	{0}
};

static const char *
request_verification(AccountCall *call)
{
	CodeDelivery delivery = {
		.client_id = call->session.client_id,
		.language = message_language_of_request(text_argument(call, "ui_locales"))
	};
	TimestampTz expires_at;

	return verification_request(&call->user, type_argument(call, "login_id_type"), &delivery,
								call->now, &expires_at) ? time_result(expires_at) : "null";
}

static const HttpMember verify_login_id_members[] = {
	{.name = "code",.required = true},
	{.name = "login_id_type",.values = address_types},
	{0}
};

static const char *
verify_login_id(AccountCall *call)
{
	return boolean_result(verification_complete(&call->user,
												type_argument(call, "login_id_type"),
												text_argument(call, "code"), call->now));
}

static const HttpMember add_identity_members[] = {
	{.name = "id_token",.required = true},
	{.name = "nonce"},
	{0}
};

static const char *
add_identity(AccountCall *call)
{
	return boolean_result(federated_identity_add(&call->user, &call->session,
												 text_argument(call, "id_token"),
												 text_argument(call, "nonce"), call->now));
}

static const HttpMember remove_identity_members[] = {
	{.name = "issuer",.required = true},
	{0}
};

static const char *
remove_identity(AccountCall *call)
{
	return boolean_result(federated_identity_remove(&call->user, &call->session,
													text_argument(call, "issuer"), call->now));
}

/* ---- passkeys ---- */

static const HttpMember no_members[] = {
	{0}
};

static void
add_optional_string(StringInfo json, const char *name, const char *value)
{
	if (value != NULL)
		json_add_string(json, name, value);
	else
		json_add_raw(json, name, "null");
}

static void
add_optional_strings(StringInfo json, const char *name, const StringList *values)
{
	if (values->count > 0)
		json_add_strings(json, name, values);
	else
		json_add_raw(json, name, "null");
}

static const char *
passkey_creation_options(AccountCall *call)
{
	return passkey_options_for_user(&call->user, &call->session, call->now);
}

static const HttpMember add_passkey_members[] = {
	{.name = "response",.required = true,.type = MEMBER_OBJECT},
	{.name = "name"},
	{0}
};

static const char *
add_passkey(AccountCall *call)
{
	Jsonb	   *response = json_container(json_member(call->body, "response"));

	return psprintf("\"%s\"", passkey_add(&call->user, &call->session, response,
										  text_argument(call, "name"), call->now));
}

/* Append a passkey with the columns of list_passkeys(). */
static void
append_passkey(StringInfo json, const Passkey *passkey)
{
	json_open(json);
	json_add_string(json, "credential_id", passkey_id_text(passkey));
	add_optional_string(json, "name", passkey->name);
	json_add_string(json, "alg", passkey->alg);
	json_add_boolean(json, "is_backup_eligible", passkey->is_backup_eligible);
	json_add_boolean(json, "is_backed_up", passkey->is_backed_up);
	add_optional_strings(json, "transports", &passkey->transports);
	json_add_string(json, "created_at", http_api_time(passkey->created_at));
	json_add_string(json, "last_used_at", http_api_time(passkey->last_used_at));
	json_close(json);
}

static const char *
list_passkeys(AccountCall *call)
{
	StringInfoData json;
	int			count;
	Passkey    *passkeys = passkey_list(&call->user, &count);
	int			i;

	initStringInfo(&json);
	json_open_array(&json);
	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&json, ',');
		append_passkey(&json, &passkeys[i]);
	}
	json_close_array(&json);
	return json.data;
}

static const HttpMember remove_passkey_members[] = {
	{.name = "credential_id",.required = true},
	{0}
};

static const char *
remove_passkey(AccountCall *call)
{
	return boolean_result(passkey_remove(&call->user, &call->session,
										 text_argument(call, "credential_id"), call->now));
}

/* ---- device keys ---- */

/* Append a key with the columns of list_device_keys(). */
static void
append_device_key(StringInfo json, const DeviceKey *key, const Session *current)
{
	json_open(json);
	json_add_string(json, "kid", key->kid);
	json_add_boolean(json, "is_current", current->device_kid != NULL &&
					 strcmp(current->device_kid, key->kid) == 0);
	add_optional_string(json, "name", key->name);
	json_add_raw(json, "device_info",
				 key->device_info == NULL ? "null" : json_from_jsonb(key->device_info));
	json_add_string(json, "created_at", http_api_time(key->created_at));
	json_add_string(json, "last_used_at", http_api_time(key->last_used_at));
	json_close(json);
}

static const char *
list_device_keys(AccountCall *call)
{
	StringInfoData json;
	int			count;
	DeviceKey  *keys = account_device_key_list(&call->user, &count);
	int			i;

	initStringInfo(&json);
	json_open_array(&json);
	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&json, ',');
		append_device_key(&json, &keys[i], &call->session);
	}
	json_close_array(&json);
	return json.data;
}

static const HttpMember remove_device_key_members[] = {
	{.name = "kid",.required = true},
	{0}
};

static const char *
remove_device_key(AccountCall *call)
{
	return boolean_result(account_device_key_remove(&call->user, &call->session,
													text_argument(call, "kid"), call->now));
}

/* ---- sessions ---- */

/* Append a session with the columns of list_sessions(). */
static void
append_session(StringInfo json, const ListedSession *session, const Session *current)
{
	json_open(json);
	json_add_uuid(json, "session_id", &session->id);
	json_add_boolean(json, "is_current", memcmp(&session->id, &current->id, UUID_LEN) == 0);
	add_optional_string(json, "session_type", session->session_type);
	add_optional_string(json, "client_id", session->client_id);
	add_optional_string(json, "client_name", session->client_name);
	json_add_raw(json, "device_info",
				 session->device_info == NULL ? "null" : json_from_jsonb(session->device_info));
	add_optional_string(json, "client_address", session->client_address == NULL ? NULL :
						DatumGetCString(DirectFunctionCall1(inet_out,
															InetPGetDatum(session->client_address))));
	add_optional_string(json, "user_agent", session->user_agent);
	json_add_string(json, "created_at", http_api_time(session->created_at));
	json_add_string(json, "last_used_at", http_api_time(session->last_used_at));
	json_add_string(json, "expires_at", http_api_time(session->expires_at));
	json_add_string(json, "auth_time", http_api_time(session->authenticated_at));
	add_optional_strings(json, "amr", &session->amr);
	json_close(json);
}

static const char *
list_sessions(AccountCall *call)
{
	StringInfoData json;
	int			count;
	ListedSession *sessions = own_sessions_list(&call->user, call->now, &count);
	int			i;

	initStringInfo(&json);
	json_open_array(&json);
	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&json, ',');
		append_session(&json, &sessions[i], &call->session);
	}
	json_close_array(&json);
	return json.data;
}

static const HttpMember end_session_members[] = {
	{.name = "session_id",.required = true},
	{0}
};

static const char *
end_session(AccountCall *call)
{
	pg_uuid_t	id;

	if (!json_uuid(call->body, "session_id", &id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("session_id must be a UUID")));
	return boolean_result(own_sessions_end(&call->user, &call->session, &id, call->now));
}

static const char *
end_other_sessions(AccountCall *call)
{
	return psprintf(UINT64_FORMAT,
					own_sessions_end_others(&call->user, &call->session, call->now));
}

/* ---- profile and account ---- */

static const HttpMember update_profile_members[] = {
	{.name = "attributes",.required = true,.type = MEMBER_OBJECT},
	{0}
};

static const char *
update_profile(AccountCall *call)
{
	own_profile_update(&call->user, &call->session,
					   json_container(json_member(call->body, "attributes")), call->now);
	return json_from_jsonb(claims_userinfo(&call->user));
}

static const char *
export_account(AccountCall *call)
{
	return json_from_jsonb(account_export_by_user(&call->user, &call->session, call->now));
}

static const char *
delete_account(AccountCall *call)
{
	return time_result(account_deletion_request(&call->user, &call->session, call->now));
}

static const char *
cancel_account_deletion(AccountCall *call)
{
	return boolean_result(account_deletion_cancel(&call->user, &call->session, call->now));
}

/* ---- the endpoint ---- */

static const AccountFunction functions[] = {
	{"change_password", change_password_members, false, change_password},
	{"request_login_id_code", request_login_id_code_members, false, request_login_id_code},
	{"add_login_id", add_login_id_members, false, add_login_id},
	{"remove_login_id", remove_login_id_members, true, remove_login_id},
	{"request_verification", request_verification_members, true, request_verification},
	{"verify_login_id", verify_login_id_members, true, verify_login_id},
	{"add_identity", add_identity_members, true, add_identity},
	{"remove_identity", remove_identity_members, true, remove_identity},
	{"passkey_creation_options", no_members, false, passkey_creation_options},
	{"add_passkey", add_passkey_members, true, add_passkey},
	{"list_passkeys", no_members, false, list_passkeys},
	{"remove_passkey", remove_passkey_members, true, remove_passkey},
	{"list_device_keys", no_members, false, list_device_keys},
	{"remove_device_key", remove_device_key_members, true, remove_device_key},
	{"list_sessions", no_members, false, list_sessions},
	{"end_session", end_session_members, true, end_session},
	{"end_other_sessions", no_members, true, end_other_sessions},
	{"update_profile", update_profile_members, true, update_profile},
	{"export_account", no_members, true, export_account},
	{"delete_account", no_members, false, delete_account},
	{"cancel_account_deletion", no_members, true, cancel_account_deletion}
};

/* Return the function that the path names, or NULL. */
static const AccountFunction *
find_function(const HttpRequest *request)
{
	const char *below = http_path_below(request, ACCOUNT_PATH);
	int			i;

	for (i = 0; below != NULL && below[0] == '/' && i < lengthof(functions); i++)
		if (strcmp(functions[i].name, below + 1) == 0)
			return &functions[i];
	return NULL;
}

static int
count_members(const HttpMember *members)
{
	int			count = 0;

	while (members[count].name != NULL)
		count++;
	return count;
}

static void
handle_account(const HttpRequest *request, HttpResponse *response)
{
	const AccountFunction *function = find_function(request);
	AccountCall call = {.now = request->now};

	if (function == NULL)
	{
		http_api_error(response, 404, "NotFound", "NotFound", "no such function", NULL);
		return;
	}
	call.body = http_json_body(request, function->members, count_members(function->members),
							   response);
	if (call.body == NULL)
		return;
	if (!(function->locks_user ? http_api_lock_caller : http_api_caller)
		(request, &call.session, &call.user, response))
		return;
	http_api_result(response, function->run(&call));
	http_renew_session_cookie(request, &call.session, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_account);
Datum
anon_auth_http_account(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_account, http_write_api_error);
}
