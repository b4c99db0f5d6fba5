/*-------------------------------------------------------------------------
 *
 * raise.c
 *	  One function for each error of class AA that callers can handle.
 *
 * Messages that clients of Authgear may compare are those of Authgear
 * (docs/authgear.md); DETAIL and HINT are written for developers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"

void
raise_required(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is required", name)));
}

void
raise_user_required(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is required", name),
			 errhint("If find_user() returned NULL, no user has that login ID.")));
}

void
raise_invalid_client(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_CLIENT),
			 errmsg("invalid client ID"),
			 errhint("Register the application with anon_auth.create_client().")));
}

void
raise_grant_not_allowed(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_UNAUTHORIZED_CLIENT),
			 errmsg("grant type is not allowed for this client")));
}

void
raise_guests_not_allowed(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_UNAUTHORIZED_CLIENT),
			 errmsg("Anonymous user is not supported by the client application type. "
					"Try using SPA, Traditional Web App, or Native App client types if applicable.")));
}

void
raise_guests_disabled(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_UNAUTHORIZED_CLIENT),
			 errmsg("anonymous user disallowed"),
			 errdetail("anon_auth.settings.anonymous_users_enabled is off.")));
}

void
raise_invalid_request_jwt(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_REQUEST_JWT),
			 errmsg("invalid request JWT"),
			 errdetail_internal("%s", detail)));
}

void
raise_request_jwt_not_signed(bool same_alg)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_REQUEST_JWT),
			 errmsg("invalid request JWT"),
			 same_alg ? errdetail("The signature does not match the device key.") :
			 errdetail("The \"alg\" is not that of the device key."),
			 errhint("If this device has another key, send that public key in the \"jwk\" header member.")));
}

void
raise_unknown_device_key(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_UNKNOWN_DEVICE_KEY),
			 errmsg(UNKNOWN_DEVICE_KEY_MESSAGE),
			 errdetail("No guest has this \"kid\", and the request has no \"jwk\" to register."),
			 errhint("Send the public key of the device in the \"jwk\" header member to sign up.")));
}

void
raise_unknown_account_key(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_UNKNOWN_DEVICE_KEY),
			 errmsg(UNKNOWN_DEVICE_KEY_MESSAGE),
			 errdetail("No account has a device key with this \"kid\"."),
			 errhint("Log in to the account, and add the key of this device with anon_auth.add_device_key().")));
}

void
raise_removed_device_key(bool can_start_guest)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_REMOVED_DEVICE_KEY),
			 errmsg("removed device key"),
			 errdetail("The guest of this key was promoted to an account, or the key was removed from the account."),
			 can_start_guest ?
			 errhint("Log in to the account. To start a new guest instead, send the public key in the \"jwk\" header member.") :
			 errhint("Log in to the account.")));
}

void
raise_invalid_challenge(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_CHALLENGE),
			 errmsg("invalid challenge"),
			 errdetail_internal("%s", detail),
			 errhint("Get a new challenge and sign it.")));
}

void
raise_invalid_refresh_token(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_REFRESH_TOKEN),
			 errmsg(INVALID_REFRESH_TOKEN_MESSAGE)));
}

void
raise_refresh_token_of_other_client(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_REFRESH_TOKEN),
			 errmsg(INVALID_REFRESH_TOKEN_MESSAGE),
			 errdetail("The token was issued to another client.")));
}

void
raise_refresh_token_of_other_key(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_REFRESH_TOKEN),
			 errmsg(INVALID_REFRESH_TOKEN_MESSAGE),
			 errdetail("The token is bound to another key than that of the DPoP proof.")));
}

void
raise_user_disabled(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_USER_DISABLED),
			 errmsg("user is disabled")));
}

void
raise_not_anonymous(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_NOT_ANONYMOUS),
			 errmsg("user logged in as normal user"),
			 errdetail("The user is not a guest, or has been promoted already.")));
}

void
raise_invalid_authorization_code(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_CODE),
			 errmsg("invalid authorization code"),
			 errdetail("It is unknown, expired, used, or was issued to another client or for another code verifier.")));
}

void
raise_invalid_promotion_code(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_PROMOTION_CODE),
			 errmsg(INVALID_PROMOTION_CODE_MESSAGE),
			 errdetail_internal("%s", detail)));
}

void
raise_invalid_token(const char *reason)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_TOKEN),
			 errmsg("invalid token"),
			 errdetail_internal("The token is refused: %s.", reason)));
}

void
raise_token_of_other_key(void)
{
	raise_invalid_token("it is bound to another key than that of the DPoP proof");
}

void
raise_wrong_audience(const char *audience, const char *expected, bool may_be_id_token)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_TOKEN),
			 errmsg("invalid token"),
			 expected == NULL ?
			 errdetail_internal("The token is refused: its audience (aud) is %s, not the audience that was passed.",
								audience) :
			 errdetail_internal("The token is refused: its audience (aud) is %s, but \"%s\" was expected.",
								audience, expected),
			 may_be_id_token ?
			 errhint("For an ID token, pass its client ID: anon_auth.verify_jwt(token, audience => client_id).") : 0));
}

void
raise_invalid_session(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_TOKEN),
			 errmsg("invalid session"),
			 errdetail_internal("%s", detail)));
}

void
raise_no_access_token(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_TOKEN),
			 errmsg("invalid session"),
			 errdetail("There is no access token."),
			 errhint("Pass an access token, or call anon_auth.use_access_token() first.")));
}

void
raise_sign_up_closed(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_SIGN_UP_CLOSED),
			 errmsg("public signup is disabled")));
}

void
raise_invalid_jwk(const char *reason)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_KEY),
			 errmsg("invalid JWK"),
			 errdetail_internal("The JWK is refused: %s.", reason)));
}

void
raise_invalid_device_key(const char *reason)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_KEY),
			 errmsg("invalid device key"),
			 errdetail_internal("The \"jwk\" of the request is refused: %s.", reason)));
}

void
raise_device_key_refused(const char *detail, const char *hint)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_KEY),
			 errmsg("the device key cannot be added"),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

void
raise_no_signing_key(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_SIGNING_KEY),
			 errmsg("there is no active signing key"),
			 errhint("Create one with anon_auth.create_signing_key().")));
}

void
raise_unknown_signing_key(const char *kid)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_SIGNING_KEY),
			 errmsg("there is no signing key \"%s\"", kid)));
}

void
raise_inactive_signing_key(const char *kid)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_SIGNING_KEY),
			 errmsg("signing key \"%s\" is not active", kid)));
}

void
raise_last_credential(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_LAST_CREDENTIAL),
			 errmsg("the last credential of an account cannot be removed"),
			 errdetail("Nobody could log in to the account any longer."),
			 errhint("Add another credential first: a password, a verified address, an identity, a passkey or a device key.")));
}

void
raise_provider_key_unknown(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_PROVIDER_KEY_UNKNOWN),
			 errmsg("the key of the ID token is unknown"),
			 errdetail("The provider's keys do not include the \"kid\" of the token."),
			 errhint("Try again in a minute. The worker that calls anon_auth.set_identity_provider_keys() has to fetch the provider's keys.")));
}

void
raise_invalid_dpop_proof(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_DPOP_PROOF),
			 errmsg("invalid DPoP proof"),
			 errdetail_internal("%s", detail)));
}

void
raise_invalid_id_token(const char *detail)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_ID_TOKEN),
			 errmsg("invalid ID token"),
			 errdetail_internal("%s", detail)));
}

void
raise_invalid_nonce(const char *reason)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_ID_TOKEN),
			 errmsg("invalid ID token"),
			 errdetail_internal("The nonce is not a challenge that can be used: %s", reason),
			 errhint("Get a challenge from anon_auth.create_challenge('id_token'), and ask the provider for a token with it or its SHA-256 as nonce.")));
}

void
raise_account_required(void)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_ACCOUNT_REQUIRED),
			 errmsg("account required"),
			 errdetail("The user is a guest."),
			 errhint("Promote the guest first.")));
}
