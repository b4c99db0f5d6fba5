/*-------------------------------------------------------------------------
 *
 * api_error.c
 *	  Errors as Authgear's own API tells them (docs/authgear.md, 2.5).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "http/http.h"
#include "json/json.h"

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

void
http_write_api_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_SIGN_UP_CLOSED:
			http_api_error(response, 403, "Forbidden", "NoPublicSignup", error->message, NULL);
			break;
		case ERRCODE_AA_RATE_LIMITED:
			http_api_error(response, 429, "TooManyRequest", "RateLimited", error->message, NULL);
			http_retry_after(response);
			break;
		case ERRCODE_AA_ACCOUNT_LOCKED:
			http_api_error(response, 429, "TooManyRequest", "AccountLockout", error->message, NULL);
			http_retry_after(response);
			break;
		case ERRCODE_AA_HOOK:
			http_api_error(response, 403, "Forbidden", "HookDisallowed", error->message, NULL);
			break;
		case ERRCODE_AA_USER_DISABLED:
			/* Whoever holds such a token is not told why it does not work. */
			http_api_error(response, 400, "Invalid", "Invalid", "invalid refresh token", NULL);
			break;
		default:
			if (http_is_refusal(error))
				http_api_error(response, 400, "Invalid", "Invalid", error->message, NULL);
			else
				http_api_error(response, 500, "InternalError", "UnexpectedError",
							   "unexpected error occurred", NULL);
	}
}
