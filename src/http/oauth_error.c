/*-------------------------------------------------------------------------
 *
 * oauth_error.c
 *	  Errors as OAuth 2 tells them (RFC 6749, section 5.2; docs/authgear.md,
 *	  1.3, 3.7 and 6.3).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "errors.h"
#include "http/http.h"
#include "json/json.h"

static const struct
{
	int			sqlstate;
	const char *code;
	const char *description;	/* NULL: the message */
}			oauth_errors[] =
{
	{ERRCODE_AA_INVALID_CLIENT, "invalid_client", NULL},
	{ERRCODE_AA_UNAUTHORIZED_CLIENT, "unauthorized_client", NULL},
	{ERRCODE_AA_SIGN_UP_CLOSED, "unauthorized_client", NULL},
	{ERRCODE_AA_INVALID_REQUEST_JWT, "invalid_grant", "InvalidCredentials"},
	{ERRCODE_AA_UNKNOWN_DEVICE_KEY, "invalid_grant", "InvalidCredentials"},
	{ERRCODE_AA_INVALID_CHALLENGE, "invalid_grant", "InvalidCredentials"},
	{ERRCODE_AA_INVALID_KEY, "invalid_grant", "InvalidCredentials"},
	{ERRCODE_AA_INVALID_REFRESH_TOKEN, "invalid_grant", NULL},
	{ERRCODE_AA_USER_DISABLED, "invalid_grant", NULL},
	{ERRCODE_AA_NOT_ANONYMOUS, "invalid_grant", NULL},
	{ERRCODE_AA_INVALID_CODE, "invalid_grant", NULL},
	{ERRCODE_AA_INVALID_PROMOTION_CODE, "invalid_grant", NULL},
	{ERRCODE_AA_RATE_LIMITED, "x_rate_limited", NULL},
	{ERRCODE_AA_ACCOUNT_LOCKED, "x_rate_limited", NULL},
	{ERRCODE_AA_HOOK, "invalid_request", NULL},
	{ERRCODE_INVALID_PARAMETER_VALUE, "invalid_request", NULL}
};

int
http_oauth_error_of(const ErrorData *error, const char **code, const char **description)
{
	int			i;

	for (i = 0; i < lengthof(oauth_errors); i++)
	{
		if (oauth_errors[i].sqlstate != error->sqlerrcode)
			continue;
		*code = oauth_errors[i].code;
		*description = oauth_errors[i].description != NULL ? oauth_errors[i].description :
			error->message;
		return http_is_rate_limit(error) ? 429 : 400;
	}
	*code = "server_error";
	*description = "internal server error";
	return 500;
}

/* x_code: an extension, for errors that a client must tell apart. */
static void
write_error(HttpResponse *response, int status, const char *error, const char *description,
			const char *x_code)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "error", error);
	json_add_string(&json, "error_description", description);
	if (x_code != NULL)
		json_add_string(&json, "x_code", x_code);
	json_close(&json);
	http_json(response, status, json.data);
	http_no_store(response);
}

void
http_oauth_error(HttpResponse *response, int status, const char *error, const char *description)
{
	write_error(response, status, error, description, NULL);
}

void
http_write_oauth_error(const HttpRequest *request, const ErrorData *error,
					   HttpResponse *response)
{
	const char *code;
	const char *description;
	int			status = http_oauth_error_of(error, &code, &description);

	/* The device must send its public key: see decisions.md. */
	write_error(response, status, code, description,
				error->sqlerrcode == ERRCODE_AA_UNKNOWN_DEVICE_KEY ? "unknown_device_key" : NULL);
	http_retry_after(response);
}
