/*-------------------------------------------------------------------------
 *
 * http_errors.c
 *	  Caught errors, and the forms in which endpoints answer them.
 *
 * Endpoints of OAuth 2 answer errors as RFC 6749, section 5.2, has them
 * (docs/authgear.md, 1.3, 3.7 and 6.3).  Endpoints of Authgear's own API have
 * another form (docs/authgear.md, 2.5).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "base/subtransaction.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "jose/jwa.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "utils/timestamp.h"

/* A missing signing key is in class AA, but is a fault of the setup. */
bool
http_is_refusal(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_AA_SIGNING_KEY)
		return false;
	return error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_TO_CATEGORY(ERRCODE_AA_INVALID_CLIENT);
}

bool
http_is_rate_limit(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_RATE_LIMITED ||
		error->sqlerrcode == ERRCODE_AA_ACCOUNT_LOCKED;
}

bool
http_is_lock_timeout(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

int
http_retry_after(const ErrorData *error)
{
	int			seconds;

	if (error->sqlerrcode == ERRCODE_AA_PROVIDER_KEY_UNKNOWN)
		return SECS_PER_MINUTE;
	if (http_is_lock_timeout(error))
		return 1;
	if (!http_is_rate_limit(error))
		return 0;
	seconds = raise_json_retry_after(error->detail);
	return seconds > 0 ? seconds : SECS_PER_MINUTE;
}

/*
 * Log a fault.  Only errors of our own have a DETAIL that is safe to log: that of
 * any other error may quote a row.
 */
static void
log_fault(const ErrorData *error)
{
	bool		ours = error->sqlerrcode == ERRCODE_AA_SIGNING_KEY ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_CONFIG_FILE_ERROR;

	ereport(LOG_SERVER_ONLY,
			(errcode(error->sqlerrcode),
			 errmsg("anon_auth_http answers %d: %s", http_is_lock_timeout(error) ? 503 : 500,
					error->message),
			 ours && error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 ours && error->hint != NULL ? errhint("%s", error->hint) : 0,
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * A write in a read-only transaction is raised again: PostgREST answers it with
 * 405, which its clients understand.
 */
ErrorData *
http_try(SubtransactionAction action, void *arg)
{
	ErrorData  *error = subtransaction_try(action, arg);

	if (error != NULL &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INVALID_TRANSACTION_STATE)
		ReThrowError(error);
	if (error != NULL && !http_is_refusal(error))
		log_fault(error);
	return error;
}

/* The "error" of OAuth 2 for a SQLSTATE of ours; NULL: none. */
static const struct
{
	int			sqlstate;
	const char *oauth_error;
}			oauth_errors[] =
{
#define OAUTH_ERROR_ROW(a, b, c, name, oauth_error, meaning) {ERRCODE_AA_##name, oauth_error},
	AA_ERRORS(OAUTH_ERROR_ROW)
	{ERRCODE_INVALID_PARAMETER_VALUE, "invalid_request"}
};

/*
 * Authgear describes a device's request that it refuses in one word
 * (docs/authgear.md, 1.3).
 */
static bool
is_invalid_device_request(int sqlstate)
{
	return sqlstate == ERRCODE_AA_INVALID_REQUEST_JWT ||
		sqlstate == ERRCODE_AA_UNKNOWN_DEVICE_KEY ||
		sqlstate == ERRCODE_AA_REMOVED_DEVICE_KEY ||
		sqlstate == ERRCODE_AA_INVALID_CHALLENGE ||
		sqlstate == ERRCODE_AA_INVALID_KEY;
}

int
http_classify_oauth_error(const ErrorData *error, const char **code, const char **description)
{
	int			i;

	for (i = 0; i < lengthof(oauth_errors) && http_is_refusal(error); i++)
	{
		if (oauth_errors[i].sqlstate != error->sqlerrcode || oauth_errors[i].oauth_error == NULL)
			continue;
		*code = oauth_errors[i].oauth_error;
		*description = is_invalid_device_request(error->sqlerrcode) ? "InvalidCredentials" :
			error->message;
		return http_is_rate_limit(error) ? 429 :
			error->sqlerrcode == ERRCODE_AA_PROVIDER_KEY_UNKNOWN ? 503 :
			error->sqlerrcode == ERRCODE_AA_INVALID_TOKEN ||
			error->sqlerrcode == ERRCODE_AA_RECENT_LOGIN_REQUIRED ? 401 : 400;
	}
	if (http_is_lock_timeout(error))
	{
		*code = "temporarily_unavailable";
		*description = "another transaction holds a lock";
		return 503;
	}
	*code = "server_error";
	*description = "internal server error";
	return 500;
}

char *
http_error_description(const char *text)
{
	char	   *result = palloc(strlen(text) + 1);
	char	   *out = result;

	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c == '"')
			*out++ = '\'';
		else if (c == '\\')
			*out++ = '/';
		else if (c >= 0x20 && c <= 0x7E)
			*out++ = (char) c;
		else if ((c & 0xC0) != 0x80)	/* not the second byte of a character */
			*out++ = '?';
	}
	*out = '\0';
	return result;
}

/*
 * Return the x_code of an error that a client handles in another way than others with the
 * same "error", or NULL.
 */
static const char *
code_of_error(const ErrorData *error)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_UNKNOWN_DEVICE_KEY:
			return "unknown_device_key";
		case ERRCODE_AA_REMOVED_DEVICE_KEY:
			return "removed_device_key";
		case ERRCODE_AA_IDENTITY_EXISTS:
			return "identity_exists";
		case ERRCODE_AA_NO_ACCOUNT:
		case ERRCODE_AA_INVALID_PASSKEY:
			return raise_json_member(error->detail, "reason");
		default:
			return NULL;
	}
}

/*
 * Return the reason of an error that a developer needs, or NULL.  That of an invalid request
 * is about the JWT that the device sent, and has no secret; nor have those of AA009, AA010,
 * AA028 and AA029.
 */
static const char *
detail_of_error(const ErrorData *error)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_IDENTITY_EXISTS:
		case ERRCODE_AA_INVALID_LOGIN_ID:
		case ERRCODE_AA_INVALID_PASSKEY:
			return raise_json_member(error->detail, "description");
		case ERRCODE_AA_INVALID_ID_TOKEN:
		case ERRCODE_AA_INVALID_DPOP_PROOF:
			return error->detail;
		default:
			return is_invalid_device_request(error->sqlerrcode) ? error->detail : NULL;
	}
}

/*
 * Extensions of ours: x_code is for errors that a client must tell apart, x_detail tells
 * a developer the reason.  NULL: none.
 */
static void
write_oauth_error(HttpResponse *response, int status, const char *error, const char *description,
				  const char *x_code, const char *x_detail)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "error", error);
	json_add_string(&json, "error_description", http_error_description(description));
	if (x_code != NULL)
		json_add_string(&json, "x_code", x_code);
	if (x_detail != NULL)
		json_add_string(&json, "x_detail", x_detail);
	json_close(&json);
	http_json(response, status, json.data);
	http_no_store(response);
}

void
http_oauth_error(HttpResponse *response, int status, const char *error, const char *description)
{
	write_oauth_error(response, status, error, description, NULL, NULL);
}

/* Return the parameter of a challenge that lists the algorithms of proofs. */
static char *
proof_algorithms(void)
{
	char		algorithms[JOSE_ALG_LIST_SIZE];
	char	   *space;

	(void) jose_alg_list(JOSE_USE_PROOFS, ", ", NULL, algorithms);
	for (space = algorithms; (space = strchr(space, ',')) != NULL;)
		memmove(space, space + 1, strlen(space));
	return psprintf("algs=\"%s\"", algorithms);
}

char *
http_dpop_challenge(const char *error, const char *description)
{
	return psprintf("DPoP error=\"%s\", error_description=\"%s\", %s", error,
					http_error_description(description), proof_algorithms());
}

char *
http_token_challenge(const HttpRequest *request, const char *error, const char *description,
					 bool needs_dpop)
{
	char	   *challenge;

	if (http_has_dpop_token(request))
		return http_dpop_challenge(error, description);
	challenge = psprintf("Bearer error=\"%s\", error_description=\"%s\"", error,
						 http_error_description(description));
	return needs_dpop ? psprintf("%s, DPoP %s", challenge, proof_algorithms()) : challenge;
}

/* Add WWW-Authenticate for the scheme of the request's access token. */
static void
challenge_token(const HttpRequest *request, HttpResponse *response, const char *error,
				const char *description)
{
	http_add_header(response, "WWW-Authenticate",
					http_token_challenge(request, error, description, false));
}

void
http_write_oauth_error_as(HttpResponse *response, int status, const char *code,
						  const char *description, const ErrorData *error)
{
	write_oauth_error(response, status, code, description, code_of_error(error),
					  detail_of_error(error));
}

void
http_unauthorized(const HttpRequest *request, HttpResponse *response, const char *error,
				  const char *description)
{
	http_oauth_error(response, 401, error, description);
	challenge_token(request, response, error, description);
}

/*
 * Whether the error is that of the proof of an access token: a resource answers 401 (RFC
 * 9449, section 7.1), and the token endpoint 400 (section 5).
 */
static bool
is_about_bound_token(const HttpRequest *request, const ErrorData *error)
{
	return (error->sqlerrcode == ERRCODE_AA_INVALID_DPOP_PROOF ||
			error->sqlerrcode == ERRCODE_AA_USE_DPOP_NONCE) && http_has_dpop_token(request);
}

/*
 * Ask the client to have the user log in again (RFC 9470, section 3).  It sends max_age in
 * its authorization request.
 */
static void
challenge_recent_login(HttpResponse *response, const ErrorData *error)
{
	const char *code;
	const char *description;

	(void) http_classify_oauth_error(error, &code, &description);
	http_add_header(response, "WWW-Authenticate",
					psprintf("Bearer error=\"%s\", error_description=\"%s\", max_age=\"%lld\"",
							 code, description, (long long) raise_json_max_age(error->detail)));
}

void
http_write_oauth_error(const HttpRequest *request, const ErrorData *error,
					   HttpResponse *response)
{
	const char *code;
	const char *description;
	int			status = http_classify_oauth_error(error, &code, &description);

	if (is_about_bound_token(request, error))
	{
		status = 401;
		challenge_token(request, response, code, description);
	}
	if (status == 500 || http_is_lock_timeout(error))
		write_oauth_error(response, status, code, description, NULL, NULL);
	else
		http_write_oauth_error_as(response, status, code, description, error);
	http_add_retry_after(response, http_retry_after(error));
	if (error->sqlerrcode == ERRCODE_AA_RECENT_LOGIN_REQUIRED)
		challenge_recent_login(response, error);
}

void
http_api_error(HttpResponse *response, int status, const char *name, const char *reason,
			   const char *message, const char *info)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_name(&json, "error");
	json_open(&json);
	json_add_string(&json, "name", name);
	json_add_string(&json, "reason", reason);
	json_add_string(&json, "message", message);
	json_add_integer(&json, "code", status);
	if (info != NULL)
		json_add_raw(&json, "info", info);
	json_close(&json);
	json_close(&json);
	http_json(response, status, json.data);
	http_no_store(response);
}

/* The forms of errors of the API; all others are "Invalid" or faults of the server. */
static const struct
{
	int			sqlstate;
	int			status;
	const char *name;
	const char *reason;
	const char *message;		/* NULL: that of the error */
}			api_errors[] =
{
	{ERRCODE_AA_SIGN_UP_CLOSED, 403, "Forbidden", "NoPublicSignup", NULL},
	{ERRCODE_AA_RATE_LIMITED, 429, "TooManyRequest", "RateLimited", NULL},
	{ERRCODE_AA_ACCOUNT_LOCKED, 429, "TooManyRequest", "AccountLockout", NULL},
	{ERRCODE_AA_HOOK, 403, "Forbidden", "HookDisallowed", NULL},
	{ERRCODE_AA_RECENT_LOGIN_REQUIRED, 401, "Unauthorized", "ReauthenticationRequired", NULL},
	/* Do not tell the holder of a token that its user is disabled. */
	{ERRCODE_AA_USER_DISABLED, 400, "Invalid", "Invalid", INVALID_REFRESH_TOKEN_MESSAGE},
	{ERRCODE_AA_INVALID_TOKEN, 401, "Unauthorized", "Unauthorized", NULL},
	{ERRCODE_AA_ACCOUNT_REQUIRED, 403, "Forbidden", "AccountRequired", NULL},
	{ERRCODE_AA_INVALID_LOGIN_ID, 400, "Invalid", "InvalidLoginID", NULL},
	{ERRCODE_AA_IDENTITY_EXISTS, 400, "Invalid", "IdentityExists", NULL},
	{ERRCODE_AA_NO_ACCOUNT, 400, "Invalid", "AccountExists", NULL},
	{ERRCODE_AA_PASSWORD_POLICY, 400, "Invalid", "PasswordPolicyViolated", NULL},
	{ERRCODE_AA_INVALID_PASSKEY, 400, "Invalid", "InvalidPasskey", NULL},
	{ERRCODE_AA_LAST_CREDENTIAL, 400, "Invalid", "LastCredential", NULL},
	{ERRCODE_AA_INVALID_PROFILE, 400, "Invalid", "InvalidProfile", NULL},
	{ERRCODE_AA_UNKNOWN_DEVICE_KEY, 400, "Invalid", "UnknownDeviceKey", NULL},
	{ERRCODE_AA_REMOVED_DEVICE_KEY, 400, "Invalid", "RemovedDeviceKey", NULL},
	{ERRCODE_AA_INVALID_DPOP_PROOF, 403, "Forbidden", "InvalidDPoPProof", NULL},
	{ERRCODE_AA_USE_DPOP_NONCE, 403, "Forbidden", "UseDPoPNonce", NULL},
	{ERRCODE_AA_MERGE, 400, "Invalid", "MergeRefused", NULL}
};

static const char *
description_json(const char *description)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "description", description);
	json_close(&json);
	return json.data;
}

/* Return the "info" for programs, as JSON, or NULL. */
static const char *
info_of_error(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_AA_RECENT_LOGIN_REQUIRED)
		return psprintf("{\"max_age\": %lld}", (long long) raise_json_max_age(error->detail));
	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_INVALID_DPOP_PROOF:
			return description_json(error->detail);
		case ERRCODE_AA_INVALID_LOGIN_ID:
		case ERRCODE_AA_IDENTITY_EXISTS:
		case ERRCODE_AA_PASSWORD_POLICY:
		case ERRCODE_AA_INVALID_PASSKEY:
		case ERRCODE_AA_INVALID_PROFILE:
			return raise_json_member(error->detail, "description") != NULL ? error->detail : NULL;
		default:
			return NULL;
	}
}

void
http_write_api_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	const char *code;
	const char *description;
	int			i;

	if (is_about_bound_token(request, error))
	{
		(void) http_classify_oauth_error(error, &code, &description);
		http_api_error(response, 401, "Unauthorized",
					   error->sqlerrcode == ERRCODE_AA_USE_DPOP_NONCE ? "UseDPoPNonce" :
					   "InvalidDPoPProof", error->message, info_of_error(error));
		challenge_token(request, response, code, description);
		return;
	}
	if (http_is_lock_timeout(error))
	{
		(void) http_classify_oauth_error(error, &code, &description);
		http_api_error(response, 503, "ServiceUnavailable", "ServiceUnavailable", description,
					   NULL);
		http_add_retry_after(response, http_retry_after(error));
		return;
	}
	if (!http_is_refusal(error))
	{
		http_api_error(response, 500, "InternalError", "UnexpectedError",
					   "unexpected error occurred", NULL);
		return;
	}
	for (i = 0; i < lengthof(api_errors); i++)
		if (api_errors[i].sqlstate == error->sqlerrcode)
			break;
	if (i == lengthof(api_errors))
		http_api_error(response, 400, "Invalid", "Invalid", error->message, NULL);
	else
		http_api_error(response, api_errors[i].status, api_errors[i].name, api_errors[i].reason,
					   api_errors[i].message != NULL ? api_errors[i].message : error->message,
					   info_of_error(error));
	http_add_retry_after(response, http_retry_after(error));
	if (error->sqlerrcode == ERRCODE_AA_RECENT_LOGIN_REQUIRED)
		challenge_recent_login(response, error);
}
