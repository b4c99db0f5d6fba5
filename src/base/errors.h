/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  The SQLSTATEs of class AA, and predicates on caught errors.
 *
 * Class AA is for errors that a caller may want to tell apart.  All other
 * errors use PostgreSQL's codes: 22023 for a malformed argument, 25006 for a
 * write on a standby, 42704 for an unknown object of an administration
 * function, F0000 for an unusable master key.  The codes are part of the API
 * and never change their meaning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ERRORS_H
#define ANON_AUTH_ERRORS_H

#include "postgres.h"

/*
 * Every error of class AA: the last three characters of the SQLSTATE, the
 * name, the "error" of OAuth 2 that the HTTP interface answers (NULL: no
 * endpoint of OAuth 2 answers it) and the meaning.  script/errors makes the table of
 * docs/guide.md from them.  raise.c and json/raise_json.c have the messages, except
 * those of AA020 (domain/hook.c) and AA021 (app_move.c and citus_move.c).
 */
#define AA_ERRORS(ERROR_ROW) \
	/* AA001 */ ERROR_ROW('0', '0', '1', INVALID_CLIENT, "invalid_client", \
			  "no client has this client ID") \
	/* AA002 */ ERROR_ROW('0', '0', '2', UNAUTHORIZED_CLIENT, "unauthorized_client", \
			  "the client's type or a setting does not allow the call") \
	/* AA003 */ ERROR_ROW('0', '0', '3', INVALID_REQUEST_JWT, "invalid_grant", \
			  "the signed request of a device is malformed, expired or not authentic; the detail gives the reason, which over HTTP is `x_detail`") \
	/* AA004 */ ERROR_ROW('0', '0', '4', UNKNOWN_DEVICE_KEY, "invalid_grant", \
			  "no guest has this `kid`, and the request has no `jwk`: sign a new challenge and send the `jwk`; or no account has this device key") \
	/* AA005 */ ERROR_ROW('0', '0', '5', INVALID_CHALLENGE, "invalid_grant", \
			  "the challenge is expired, used or not from this database: get another one") \
	/* AA006 */ ERROR_ROW('0', '0', '6', INVALID_REFRESH_TOKEN, "invalid_grant", \
			  "the refresh token is unknown, expired, revoked, or of another client") \
	/* AA007 */ ERROR_ROW('0', '0', '7', USER_DISABLED, "invalid_grant", \
			  "the user is disabled") \
	/* AA008 */ ERROR_ROW('0', '0', '8', NOT_ANONYMOUS, "invalid_grant", \
			  "a guest was expected, and the user is a regular one") \
	/* AA009 */ ERROR_ROW('0', '0', '9', IDENTITY_EXISTS, "invalid_grant", \
			  "the login ID belongs to another user") \
	/* AA010 */ ERROR_ROW('0', '1', '0', INVALID_LOGIN_ID, "invalid_request", \
			  "the login ID is malformed or not allowed") \
	/* AA011 */ ERROR_ROW('0', '1', '1', PASSWORD_POLICY, NULL, \
			  "the password breaks the policy") \
	/* AA012 */ ERROR_ROW('0', '1', '2', INVALID_CODE, "invalid_grant", \
			  "the authorization code is unknown, expired, or of another client or verifier") \
	/* AA013 */ ERROR_ROW('0', '1', '3', INVALID_PROMOTION_CODE, "invalid_grant", \
			  "the promotion code is unknown or expired, or its session has ended") \
	/* AA014 */ ERROR_ROW('0', '1', '4', INVALID_TOKEN, "invalid_token", \
			  "an access token or other JWT of this database is not valid, or its session has ended (then `invalid_grant`, 401)") \
	/* AA015 */ ERROR_ROW('0', '1', '5', SIGN_UP_CLOSED, "unauthorized_client", \
			  "sign-up is closed") \
	/* AA016 */ ERROR_ROW('0', '1', '6', INVALID_KEY, "invalid_grant", \
			  "a JWK is malformed, unsupported or too weak; or an account cannot have the device key, and the detail says why") \
	/* AA017 */ ERROR_ROW('0', '1', '7', SIGNING_KEY, "server_error", \
			  "there is no usable signing key") \
	/* AA018 */ ERROR_ROW('0', '1', '8', RATE_LIMITED, "x_rate_limited", \
			  "too many requests; the detail says when to try again") \
	/* AA019 */ ERROR_ROW('0', '1', '9', ACCOUNT_LOCKED, "x_rate_limited", \
			  "too many wrong passwords: logins to the user are locked for a while") \
	/* AA020 */ ERROR_ROW('0', '2', '0', HOOK, "invalid_request", \
			  "a hook of the settings refuses, or has returned an invalid value; the detail names it") \
	/* AA021 */ ERROR_ROW('0', '2', '1', MERGE, "invalid_request", \
			  "the guest cannot be merged into the account, because one of your tables refuses; the error names the table and the constraint") \
	/* AA022 */ ERROR_ROW('0', '2', '2', RECENT_LOGIN_REQUIRED, "insufficient_user_authentication", \
			  "the login of the session is too old for this call: log in again; the detail says how old it may be, in seconds") \
	/* AA023 */ ERROR_ROW('0', '2', '3', LAST_CREDENTIAL, NULL, \
			  "without this credential, nobody could log in to the account") \
	/* AA024 */ ERROR_ROW('0', '2', '4', ACCOUNT_REQUIRED, NULL, \
			  "the user is a guest, and an account is required: promote the guest first") \
	/* AA025 */ ERROR_ROW('0', '2', '5', PROVIDER_KEY_UNKNOWN, "temporarily_unavailable", \
			  "the key that signed the ID token is not known yet: try again in a minute") \
	/* AA026 */ ERROR_ROW('0', '2', '6', INVALID_DPOP_PROOF, "invalid_dpop_proof", \
			  "the DPoP proof is missing, malformed, expired, used before or not for this request; the detail gives the reason, which over HTTP is `x_detail`") \
	/* AA027 */ ERROR_ROW('0', '2', '7', USE_DPOP_NONCE, "use_dpop_nonce", \
			  "the DPoP proof needs a new nonce: make another one with the `dpop_nonce` of the detail, which over HTTP is in the header `DPoP-Nonce`") \
	/* AA028 */ ERROR_ROW('0', '2', '8', INVALID_ID_TOKEN, "invalid_grant", \
			  "the ID token of a provider is malformed, expired, not authentic or not for this application; the detail gives the reason, which over HTTP is `x_detail`") \
	/* AA029 */ ERROR_ROW('0', '2', '9', INVALID_PASSKEY, "invalid_grant", \
			  "the response for a passkey is not valid: the `reason` says why") \
	/* AA030 */ ERROR_ROW('0', '3', '0', NO_ACCOUNT, "invalid_grant", \
			  "no account has the address or identity that the caller has proven, or one has it already: sign up, or log in instead; the `reason` says which. The code can still be used, and an ID token until its challenge expires") \
	/* AA031 */ ERROR_ROW('0', '3', '1', REMOVED_DEVICE_KEY, "invalid_grant", \
			  "the guest of the device key was promoted or merged, or the key was removed: log in to the account; see [After promotion](#after-promotion)") \
	/* AA032 */ ERROR_ROW('0', '3', '2', INVALID_PROFILE, NULL, \
			  "values of a profile break rules; the detail lists the members and the reasons")

/* ERRCODE_AA_INVALID_CLIENT and so on, for errcode(). */
#define AA_ERROR_CODE(a, b, c, name, oauth_error, meaning) \
	ERRCODE_AA_##name = MAKE_SQLSTATE('A', 'A', a, b, c),

enum AaErrorCode
{
	AA_ERRORS(AA_ERROR_CODE)
};

/*
 * To be used instead of errcode() for errors of class AA, so that each of them is
 * counted: calls the observer with the SQLSTATE, and then errcode().  The observer may
 * raise an error of its own instead.
 */
extern int	error_refusal(int sqlstate);

typedef void (*ErrorObserver) (int sqlstate);

extern void error_set_observer(ErrorObserver observer);

/*
 * True if the server cancels the query or ends the session.  False for errors of
 * functions that only use the SQLSTATE of a cancellation.
 */
extern bool error_is_cancellation(const ErrorData *error);

/*
 * True if an error must reach the client unchanged wherever it occurred: a
 * cancellation, a lack of resources, or a transaction that can be retried.
 */
extern bool error_must_not_be_caught(const ErrorData *error);

/*
 * True if the same call may succeed a little later although nobody changes data,
 * settings or tables on purpose: the server is short of something, an object is
 * locked, or DDL has just replaced it.
 */
extern bool error_may_pass(const ErrorData *error);

#endif							/* ANON_AUTH_ERRORS_H */
