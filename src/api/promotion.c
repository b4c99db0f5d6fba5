/*-------------------------------------------------------------------------
 *
 * promotion.c
 *	  create_promotion_code(), promote_anonymous_user(), authorize_promotion()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "domain/authorization.h"
#include "domain/promotion.h"

PG_FUNCTION_INFO_V1(anon_auth_create_promotion_code);
Datum
anon_auth_create_promotion_code(PG_FUNCTION_ARGS)
{
	TimestampTz expires_at;
	char	   *code = promotion_code_create(api_required_text(fcinfo, 0, "refresh_token"),
											 GetCurrentTimestamp(), &expires_at);

	return api_secret_with_expiry(fcinfo, code, expires_at);
}

/* Both functions take the same seven arguments, beginning somewhere. */
static void
get_request(FunctionCallInfo fcinfo, int first, PromotionRequest *request)
{
	request->login_ids[LOGIN_ID_EMAIL] = api_text(fcinfo, first);
	request->login_ids[LOGIN_ID_PHONE_NUMBER] = api_text(fcinfo, first + 1);
	request->login_ids[LOGIN_ID_USERNAME] = api_text(fcinfo, first + 2);
	request->password = api_text(fcinfo, first + 3);
	request->jwt = api_text(fcinfo, first + 4);
	request->promotion_code = api_text(fcinfo, first + 5);
	request->refresh_token = api_text(fcinfo, first + 6);
	request->ticket = NULL;
}

PG_FUNCTION_INFO_V1(anon_auth_promote_anonymous_user);
Datum
anon_auth_promote_anonymous_user(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	PromotionRequest request;
	Client		client;
	User		user;
	TokenResponse response;

	api_begin_write("promote_anonymous_user()");
	api_client(fcinfo, 0, &client);
	get_request(fcinfo, 1, &request);
	if (!promotion_run(&client, &request, now, &user))
		PG_RETURN_NULL();
	session_start(&client, &user, NULL, NULL, now, now, &response);
	return api_token_response(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(anon_auth_authorize_promotion);
Datum
anon_auth_authorize_promotion(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	char	   *redirect_uri = api_required_text(fcinfo, 1, "redirect_uri");
	char	   *code_challenge = api_required_text(fcinfo, 2, "code_challenge");
	char	   *method = api_required_text(fcinfo, 3, "code_challenge_method");
	char	   *nonce = api_text(fcinfo, 11);
	PromotionRequest request;
	Client		client;
	User		user;
	TimestampTz expires_at;
	char	   *code;

	api_begin_write("authorize_promotion()");
	if (nonce != NULL && strlen(nonce) > NONCE_MAX_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nonce is longer than %d bytes", NONCE_MAX_LENGTH)));
	api_client(fcinfo, 0, &client);
	client_require_redirect_uri(&client, redirect_uri);
	pkce_check(code_challenge, method);
	get_request(fcinfo, 4, &request);
	if (!promotion_run(&client, &request, now, &user))
		PG_RETURN_NULL();
	code = authorization_code_create(&client, &user, redirect_uri, code_challenge, nonce, now,
									 &expires_at);
	return api_secret_with_expiry(fcinfo, code, expires_at);
}
