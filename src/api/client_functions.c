/*-------------------------------------------------------------------------
 *
 * client_functions.c
 *	  The client functions: challenges, login, refresh, promotion, revocation.
 *
 * Every function here reads its arguments, calls src/domain and returns rows.
 * The install script documents each for SQL callers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/limits.h"
#include "base/span.h"
#include "domain/authorization.h"
#include "domain/challenge.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/code_login.h"
#include "domain/device_report.h"
#include "domain/guest.h"
#include "domain/guest_claim.h"
#include "domain/guest_proof.h"
#include "domain/login.h"
#include "domain/promotion.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "domain/sign_up.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/users.h"

PG_FUNCTION_INFO_V1(anon_auth_create_challenge);
Datum
anon_auth_create_challenge(PG_FUNCTION_ARGS)
{
	TimestampTz expires_at;
	char	   *token = challenge_create(api_required_text(fcinfo, 0, "purpose"), &expires_at);

	return api_secret_with_expiry(fcinfo, "token", token, expires_at);
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate_anonymously);
Datum
anon_auth_authenticate_anonymously(PG_FUNCTION_ARGS)
{
	bool		with_jwt = !PG_ARGISNULL(1);
	bool		with_refresh_token = !PG_ARGISNULL(2);
	TimestampTz now = GetCurrentTimestamp();
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_anonymously()");
	if (with_jwt && with_refresh_token)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jwt and refresh_token cannot both be given")));
	device = api_device(fcinfo, 3);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (with_jwt)
	{
		Span		jwt = api_token(fcinfo, 1, "jwt");

		guest_authenticate_with_key(&client, jwt.data, jwt.length, &device, now, &response);
	}
	else if (with_refresh_token)
		guest_resume(&client, api_text(fcinfo, 2), &device, now, &response);
	else
		guest_sign_up_without_key(&client, &device, now, &response);
	return api_token_response(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(anon_auth_refresh_session);
Datum
anon_auth_refresh_session(PG_FUNCTION_ARGS)
{
	ResultRow  *row;
	TimestampTz now = GetCurrentTimestamp();
	DeviceReport device = {0};
	Client		client;
	TokenResponse response;

	api_begin_write("refresh_session()");
	row = result_row_begin_set(fcinfo);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (session_refresh(&client, api_required_text(fcinfo, 1, "refresh_token"), &device,
						now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_revoke);
Datum
anon_auth_revoke(PG_FUNCTION_ARGS)
{
	api_begin_write("revoke()");
	if (!PG_ARGISNULL(0))
	{
		Span		token = api_token(fcinfo, 0, "token");

		session_revoke_token(token.data, token.length, GetCurrentTimestamp());
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate);
Datum
anon_auth_authenticate(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 3);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (login_authenticate(&client, api_required_text(fcinfo, 1, "login_id"),
						   api_required_text(fcinfo, 2, "password"), &device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate_with_code);
Datum
anon_auth_authenticate_with_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate_with_code()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 3);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (code_login_authenticate(&client, api_text(fcinfo, 1),
								api_required_text(fcinfo, 2, "code"), &device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_exchange_authorization_code);
Datum
anon_auth_exchange_authorization_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	Client		client;
	TokenResponse response;

	api_begin_write("exchange_authorization_code()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 4);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	if (authorization_code_exchange(&client,
									api_required_text(fcinfo, 1, "code"),
									api_required_text(fcinfo, 2, "redirect_uri"),
									api_required_text(fcinfo, 3, "code_verifier"),
									&device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_create_promotion_code);
Datum
anon_auth_create_promotion_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires_at;
	DpopCheck  *dpop = dpop_check(api_text(fcinfo, 1), NULL, NULL, NULL, now);
	char	   *code = guest_proof_create_code(api_required_text(fcinfo, 0, "refresh_token"), dpop,
											   now, &expires_at);

	return api_secret_with_expiry(fcinfo, "promotion_code", code, expires_at);
}

/* Read email, phone_number, username and password, of which first is the position. */
static void
get_account_request(FunctionCallInfo fcinfo, int first, AccountRequest *request)
{
	memset(request, 0, sizeof(AccountRequest));
	request->login_ids[LOGIN_ID_EMAIL] = api_text(fcinfo, first);
	request->login_ids[LOGIN_ID_PHONE_NUMBER] = api_text(fcinfo, first + 1);
	request->login_ids[LOGIN_ID_USERNAME] = api_text(fcinfo, first + 2);
	request->password = api_text(fcinfo, first + 3);
}

/*
 * Read the seven arguments that both functions below have in common, and device_info.
 * first is the position of the first of them.
 */
static void
get_promotion_request(FunctionCallInfo fcinfo, int first, int device_info,
					  PromotionRequest *request)
{
	memset(request, 0, sizeof(PromotionRequest));
	get_account_request(fcinfo, first, &request->account);
	request->proof.jwt = api_text(fcinfo, first + 4);
	request->proof.promotion_code = api_text(fcinfo, first + 5);
	request->proof.refresh_token = api_text(fcinfo, first + 6);
	request->device_info = api_device(fcinfo, device_info).device_info;
}

PG_FUNCTION_INFO_V1(anon_auth_promote_anonymous_user);
Datum
anon_auth_promote_anonymous_user(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device = {0};
	PromotionRequest request;
	PromotionResult result;
	Client		client;
	TokenResponse response;

	api_begin_write("promote_anonymous_user()");
	row = result_row_begin_set(fcinfo);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	get_promotion_request(fcinfo, 1, 12, &request);
	request.proof.dpop = device.dpop;
	request.account.code = api_text(fcinfo, 8);
	request.account.id_token = api_text(fcinfo, 9);
	request.account.nonce = api_text(fcinfo, 10);
	request.by_device = true;
	request.account.passkey = api_jsonb(fcinfo, 11);
	if (!promotion_run(&client, &request, now, &result))
		return (Datum) 0;
	device.device_info = result.device_info;
	session_start(&client, &result.user, &result.amr, &device, now, &response);
	api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_claim_anonymous_user);
Datum
anon_auth_claim_anonymous_user(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	GuestProof	proof = {
		.jwt = api_text(fcinfo, 2),
		.promotion_code = api_text(fcinfo, 3),
		.refresh_token = api_text(fcinfo, 4)
	};
	bool		dry_run;
	ResultRow  *row;
	Client		client;
	User		caller;
	Session		session;
	AppTable   *tables;
	int			count;

	api_begin_write("claim_anonymous_user()");
	row = result_row_begin_set(fcinfo);
	dry_run = api_required_bool(fcinfo, 5, "dry_run");
	api_client(fcinfo, 0, &client);
	proof.dpop = api_dpop(fcinfo, &client, proof.refresh_token != NULL, now);
	api_lock_caller(fcinfo, 1, now, &caller, &session);
	guest_claim_run(&client, &caller, session.client_id, &proof, dry_run, now, &tables, &count);
	api_add_moved_rows(row, tables, count);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_sign_up);
Datum
anon_auth_sign_up(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	ResultRow  *row;
	DeviceReport device;
	AccountRequest request;
	Client		client;
	TokenResponse response;

	api_begin_write("sign_up()");
	row = result_row_begin_set(fcinfo);
	device = api_device(fcinfo, 9);
	api_client(fcinfo, 0, &client);
	device.dpop = api_dpop(fcinfo, &client, true, now);
	get_account_request(fcinfo, 1, &request);
	request.code = api_text(fcinfo, 5);
	request.id_token = api_text(fcinfo, 6);
	request.nonce = api_text(fcinfo, 7);
	request.passkey = api_jsonb(fcinfo, 8);
	if (sign_up_account(&client, &request, &device, now, &response))
		api_add_token_response(row, &response);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_authorize_promotion);
Datum
anon_auth_authorize_promotion(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	char	   *method = api_required_text(fcinfo, 3, "code_challenge_method");
	AuthorizationRequest authorization = {
		.redirect_uri = api_required_text(fcinfo, 1, "redirect_uri"),
		.code_challenge = api_required_text(fcinfo, 2, "code_challenge"),
		.nonce = api_text(fcinfo, 11),
		.offline_access = true
	};
	ResultRow  *row;
	PromotionRequest request;
	PromotionResult result;
	Client		client;
	TimestampTz expires_at;
	DpopCheck  *dpop;
	char	   *code;

	api_begin_write("authorize_promotion()");
	row = result_row_begin_set(fcinfo);
	if (authorization.nonce != NULL && strlen(authorization.nonce) > NONCE_MAX_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nonce is longer than %d bytes", NONCE_MAX_LENGTH)));
	api_client(fcinfo, 0, &client);
	dpop = api_dpop(fcinfo, &client, true, now);
	client_require_redirect_uri(&client, authorization.redirect_uri);
	authorization_check_pkce(authorization.code_challenge, method);
	get_promotion_request(fcinfo, 4, 16, &request);
	request.proof.dpop = dpop;
	request.account.code = api_text(fcinfo, 12);
	request.account.id_token = api_text(fcinfo, 13);
	request.account.nonce = api_text(fcinfo, 14);
	request.account.passkey = api_jsonb(fcinfo, 15);
	if (!promotion_run(&client, &request, now, &result))
		return (Datum) 0;
	authorization.device_info = result.device_info;
	authorization.dpop_jkt = dpop_key_of_session(&client, dpop);
	code = authorization_code_create(&client, &result.user, &result.amr, &authorization, now,
									 &expires_at);
	result_row_set(row, "code", CStringGetTextDatum(code));
	result_row_set(row, "expire_at", TimestampTzGetDatum(expires_at));
	result_row_add(row);
	return (Datum) 0;
}
