/*-------------------------------------------------------------------------
 *
 * http_passkey.c
 *	  Passkeys on pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/detail_codes.h"
#include "base/errors.h"
#include "domain/passkey.h"
#include "domain/passkey_policy.h"
#include "http/http_passkey.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"

#define RESPONSE_FIELD	"passkey_response"

bool
http_passkey_is_offered(void)
{
	PasskeyPolicy policy;

	passkey_policy_read(&policy);
	return passkey_policy_has_pages(&policy);
}

void
http_passkey_add(StringInfo model, const HttpPasskeyButton *button)
{
	json_add_name(model, "passkey");
	json_open(model);
	json_add_string(model, "method", button->creates ? "create" : "get");
	json_add_raw(model, "options", button->options);
	json_add_string(model, "text", button->text);
	if (button->name_field != NULL)
		json_add_string(model, "name_field", button->name_field);
	json_add_boolean(model, "autofills", button->autofills);
	json_add_boolean(model, "is_only_way", button->is_only_way);
	if (button->exists != NULL)
		json_add_string(model, "exists", button->exists);
	if (button->unknown_id != NULL)
		json_add_string(model, "unknown_id", button->unknown_id);
	json_close(model);
}

bool
http_passkey_is_used(const HttpParams *form)
{
	return http_param_is(form, "use", "passkey");
}

bool
http_passkey_has_response(const HttpParams *form)
{
	return http_param(form, RESPONSE_FIELD) != NULL;
}

/* Return the response in a form, or NULL. */
static Jsonb *
read_response(const HttpParams *form)
{
	char	   *text = http_param(form, RESPONSE_FIELD);
	const char *problem;

	return text == NULL || strlen(text) > PASSKEY_RESPONSE_MAX_LENGTH ? NULL :
		json_parse_object(text, strlen(text), &problem);
}

Jsonb *
http_passkey_response(const HttpParams *form)
{
	Jsonb	   *response = read_response(form);

	if (response == NULL)
		raise_invalid_passkey(PASSKEY_MALFORMED, "The form has no response that can be read.");
	return response;
}

char *
http_passkey_id(const HttpParams *form)
{
	Jsonb	   *response = read_response(form);

	return response == NULL ? NULL : json_cstring(response, "id");
}

char *
http_passkey_unknown_id(const HttpParams *form)
{
	char	   *id = http_passkey_signals() ? http_passkey_id(form) : NULL;

	return id == NULL || passkey_exists(id) ? NULL : id;
}

bool
http_passkey_signals(void)
{
	PasskeyPolicy policy;

	passkey_policy_read(&policy);
	return policy.passkey_signals;
}

void
http_passkey_add_forgotten(StringInfo model, const HttpParams *form)
{
	PasskeyPolicy policy;
	Jsonb	   *response = read_response(form);
	char	   *id = response != NULL && passkey_response_creates(response) ?
		http_passkey_unknown_id(form) : NULL;

	if (id == NULL)
		return;
	passkey_policy_read(&policy);
	json_add_name(model, "forgotten_passkey");
	json_open(model);
	json_add_string(model, "rp_id", policy.passkey_rp_id);
	json_add_string(model, "id", id);
	json_close(model);
}

bool
http_passkey_has_made_account(const HttpParams *form)
{
	Jsonb	   *response = read_response(form);

	return response != NULL && passkey_has_made_account(response);
}

/* A reason of AA029 that a user can do something about. */
typedef struct PasskeyError
{
	const char *reason;
	const char *error;
} PasskeyError;

static const PasskeyError login_errors[] = {
	{"challenge", "passkey_expired"},
	{"unknown_credential", "passkey_unknown"},
	{"user_verification", "passkey_unverified"},
	{"own_passkey", "passkey_other_user"}
};

static const PasskeyError creation_errors[] = {
	{"challenge", "passkey_not_created"},
	{"credential_exists", "passkey_exists"},
	{"too_many", "passkey_too_many"},
	{"not_discoverable", "passkey_not_kept"},
	{"user_verification", "passkey_unverified"}
};

/* Return the error for AA029 among count of them, "passkey_failed", or NULL for another error. */
static const char *
error_in(const PasskeyError *errors, int count, const ErrorData *error)
{
	char	   *reason;
	int			i;

	if (error->sqlerrcode != ERRCODE_AA_INVALID_PASSKEY)
		return NULL;
	reason = raise_json_member(error->detail, "reason");
	for (i = 0; reason != NULL && i < count; i++)
		if (strcmp(errors[i].reason, reason) == 0)
			return errors[i].error;
	return "passkey_failed";
}

const char *
http_passkey_error(const ErrorData *error)
{
	return error_in(login_errors, lengthof(login_errors), error);
}

const char *
http_passkey_creation_error(const ErrorData *error)
{
	return error_in(creation_errors, lengthof(creation_errors), error);
}
