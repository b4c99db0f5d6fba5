/*-------------------------------------------------------------------------
 *
 * http_grant.c
 *	  Requests and responses that the grants of the token endpoint have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "http/http_dpop.h"
#include "http/http_grant.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "json/json_parse.h"
#include "json/json_write.h"

/* Return the x_device_info, or NULL if there is none. */
static Jsonb *
read_device_info(const HttpParams *params)
{
	char	   *text = http_param(params, "x_device_info");
	size_t		length;
	uint8	   *json;
	const char *reason;
	Jsonb	   *info = NULL;

	if (text == NULL)
		return NULL;
	length = strlen(text);
	if (length <= HTTP_DEVICE_INFO_MAX_LENGTH)
	{
		json = palloc(length);
		if (base64url_decode(json, &length, text, length) == JOSE_OK)
			info = json_parse_object((char *) json, length, &reason);
	}
	if (info == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid x_device_info")));
	device_report_check_info(info);
	return info;
}

DeviceReport
http_grant_device(const HttpRequest *request, const Client *client, const HttpParams *params)
{
	DeviceReport device = http_device(request, read_device_info(params));

	device.dpop = http_dpop(request);
	dpop_admit(client, device.dpop);
	return device;
}

void
http_grant_ask_for_id_token(const HttpParams *params, Client *client)
{
	char	   *scope = http_param(params, "scope");

	if (scope == NULL || http_words_have(scope, "openid"))
		client->id_token = ID_TOKEN_ALWAYS;
}

void
http_grant_write_tokens(HttpResponse *response, const TokenResponse *tokens,
						bool with_refresh_token)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "token_type", tokens->token_type);
	json_add_string(&json, "access_token", tokens->access_token);
	json_add_integer(&json, "expires_in", tokens->expires_in);
	if (with_refresh_token)
		json_add_string(&json, "refresh_token", tokens->refresh_token);
	if (tokens->id_token != NULL)
		json_add_string(&json, "id_token", tokens->id_token);
	json_close(&json);
	http_json(response, 200, json.data);
	http_no_store(response);
}
