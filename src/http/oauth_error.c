/*-------------------------------------------------------------------------
 *
 * oauth_error.c
 *	  Errors as OAuth 2 tells them (RFC 6749, section 5.2; docs/authgear.md,
 *	  1.3, 3.7 and 6.3).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "http/http.h"
#include "json/json.h"

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
		sqlstate == ERRCODE_AA_INVALID_CHALLENGE ||
		sqlstate == ERRCODE_AA_INVALID_KEY;
}

int
http_oauth_error_of(const ErrorData *error, const char **code, const char **description)
{
	int			i;

	for (i = 0; i < lengthof(oauth_errors); i++)
	{
		if (oauth_errors[i].sqlstate != error->sqlerrcode || oauth_errors[i].oauth_error == NULL)
			continue;
		*code = oauth_errors[i].oauth_error;
		*description = is_invalid_device_request(error->sqlerrcode) ? "InvalidCredentials" :
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
