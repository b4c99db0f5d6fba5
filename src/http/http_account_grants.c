/*-------------------------------------------------------------------------
 *
 * http_account_grants.c
 *	  The grants of the token endpoint that log in, sign up or promote a guest without a
 *	  page.
 *
 * An application on a device has the code that its user typed, the ID token of another
 * provider, or the response for a passkey, and needs no page of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_request.h"
#include "domain/code_login.h"
#include "domain/federated_identity.h"
#include "domain/guest_proof.h"
#include "domain/passkey.h"
#include "domain/promotion.h"
#include "domain/session.h"
#include "domain/sign_up.h"
#include "http/http_account_grants.h"
#include "http/http_errors.h"
#include "http/http_grant.h"
#include "json/json_parse.h"

/* The parts of a request that all of these grants have. */
typedef struct AccountGrant
{
	GuestProof	proof;
	bool		is_promotion;	/* there is a proof */
	bool		is_sign_up;
	DeviceReport device;
} AccountGrant;

pg_noreturn static void
raise_invalid_request(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

/*
 * prompt=create is that of Initiating User Registration via OpenID Connect 1.0.  No other
 * value makes sense without a page.
 */
static void
read_grant(const HttpRequest *request, const Client *client, const HttpParams *params,
		   AccountGrant *grant)
{
	const char *prompt = http_param(params, "prompt");

	memset(grant, 0, sizeof(AccountGrant));
	grant->proof.jwt = http_param(params, "jwt");
	grant->proof.promotion_code = http_param(params, "promotion_code");
	grant->proof.refresh_token = http_param(params, "refresh_token");
	grant->is_promotion = grant->proof.jwt != NULL || grant->proof.promotion_code != NULL ||
		grant->proof.refresh_token != NULL;
	grant->is_sign_up = prompt != NULL;
	if (prompt != NULL && strcmp(prompt, "create") != 0)
		raise_invalid_request("prompt must be create");
	if (grant->is_promotion && grant->is_sign_up)
		raise_invalid_request("a guest is promoted without prompt");
	grant->device = http_grant_device(request, client, params);
	grant->proof.dpop = grant->device.dpop;
}

static bool
promote_guest(const Client *client, const AccountGrant *grant, const AccountRequest *account,
			  TimestampTz now, TokenResponse *tokens)
{
	DeviceReport device = grant->device;
	PromotionRequest request = {
		.account = *account,
		.proof = grant->proof,
		.device_info = device.device_info,
		.by_device = true
	};
	PromotionResult result;

	if (!promotion_run(client, &request, now, &result))
		return false;
	device.device_info = result.device_info;
	session_start(client, &result.user, &result.amr, &device, now, tokens);
	return true;
}

/* Promote the guest or sign up. */
static bool
make_account(const Client *client, const AccountGrant *grant, const AccountRequest *account,
			 TimestampTz now, TokenResponse *tokens)
{
	if (grant->is_promotion)
		return promote_guest(client, grant, account, now, tokens);
	return sign_up_account(client, account, &grant->device, now, tokens);
}

/*
 * Nobody is told whether the code was wrong or the user is disabled.  SDKs compare the
 * description.
 */
static void
write_outcome(HttpResponse *response, bool succeeded, const TokenResponse *tokens)
{
	if (succeeded)
		http_grant_write_tokens(response, tokens, true);
	else
		http_oauth_error(response, 400, "invalid_grant", "InvalidCredentials");
}

void
http_login_code_grant(const HttpRequest *request, const Client *client,
					  const HttpParams *params, HttpResponse *response)
{
	char	   *code = http_required_param(params, "code", "code is required");
	char	   *login_id = http_param(params, "login_id");
	AccountRequest account = {.code = code};
	AccountGrant grant;
	TokenResponse tokens;
	bool		succeeded;

	read_grant(request, client, params, &grant);
	if (!grant.is_promotion && !grant.is_sign_up)
		succeeded = code_login_authenticate(client, login_id, code, &grant.device, request->now,
											&tokens);
	else
	{
		if (login_id != NULL)
			account_request_set_login_id(&account, login_id);
		succeeded = make_account(client, &grant, &account, request->now, &tokens);
	}
	write_outcome(response, succeeded, &tokens);
}

void
http_id_token_grant(const HttpRequest *request, const Client *client, const HttpParams *params,
					HttpResponse *response)
{
	AccountRequest account = {
		.id_token = http_required_param(params, "id_token", "id_token is required"),
		.nonce = http_param(params, "nonce")
	};
	AccountGrant grant;
	TokenResponse tokens;
	bool		succeeded;

	read_grant(request, client, params, &grant);
	if (!grant.is_promotion && !grant.is_sign_up)
		succeeded = federated_identity_authenticate(client, account.id_token, account.nonce,
													&grant.device, request->now, &tokens);
	else
		succeeded = make_account(client, &grant, &account, request->now, &tokens);
	write_outcome(response, succeeded, &tokens);
}

/* The response of the browser, as JSON. */
static Jsonb *
read_passkey(const HttpParams *params)
{
	char	   *text = http_required_param(params, "passkey", "passkey is required");
	const char *reason;
	Jsonb	   *json = json_parse_object(text, strlen(text), &reason);

	if (json == NULL)
		raise_invalid_request("passkey is not a JSON object");
	return json;
}

/* login_id is a login ID of the new account, and is not needed. */
void
http_passkey_grant(const HttpRequest *request, const Client *client, const HttpParams *params,
				   HttpResponse *response)
{
	AccountRequest account = {.passkey = read_passkey(params)};
	char	   *login_id = http_param(params, "login_id");
	AccountGrant grant;
	TokenResponse tokens;
	bool		succeeded;

	read_grant(request, client, params, &grant);
	if (login_id != NULL)
		account_request_set_login_id(&account, login_id);
	if (!grant.is_promotion && !grant.is_sign_up)
		succeeded = passkey_authenticate(client, account.passkey, &grant.device, request->now,
										 &tokens);
	else
		succeeded = make_account(client, &grant, &account, request->now, &tokens);
	write_outcome(response, succeeded, &tokens);
}
