/*-------------------------------------------------------------------------
 *
 * raise.h
 *	  One function for each error of class AA that callers can handle.
 *
 * Every function raises an error and does not return.  Message, DETAIL and HINT are
 * written once, so that SQL callers and HTTP clients get the same words wherever a
 * rule is broken.  AA009, AA010, AA011, AA018, AA019, AA022, AA027 and
 * AA032, whose DETAIL programs read, are in json/raise_json.h.  Errors that only one file raises, such as those of hooks
 * (AA020) and merges (AA021), are in that file.
 *
 * A parameter "detail" is a full sentence.  A parameter "reason" is a clause
 * in lower case without a period.  Neither may contain a secret.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RAISE_H
#define ANON_AUTH_RAISE_H

#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"

/* 22023: the argument of this name is NULL or missing. */
pg_noreturn extern void raise_required(const char *name);

/* The same for the id of an existing user.  The hint says that find_user() can return NULL. */
pg_noreturn extern void raise_user_required(const char *name);

/* AA001: no client has this client ID. */
pg_noreturn extern void raise_invalid_client(void);

/* AA002: the client's type does not allow the grant type, or guests. */
pg_noreturn extern void raise_grant_not_allowed(void);
pg_noreturn extern void raise_guests_not_allowed(void);

/* AA002: settings.anonymous_users_enabled is off. */
pg_noreturn extern void raise_guests_disabled(void);

/* AA003: the signed request of a device is malformed, expired or not authentic. */
pg_noreturn extern void raise_invalid_request_jwt(const char *detail);

/*
 * AA003: the key that the request names did not sign it.  same_alg is false if
 * the request names another algorithm than that of the key.
 */
pg_noreturn extern void raise_request_jwt_not_signed(bool same_alg);

/*
 * Messages of AA004, AA006 and AA013.  domain/guest_proof.c raises them without
 * DETAIL and HINT for a proof that has become invalid.
 */
#define UNKNOWN_DEVICE_KEY_MESSAGE		"unknown device key"
#define INVALID_REFRESH_TOKEN_MESSAGE	"invalid refresh token"
#define INVALID_PROMOTION_CODE_MESSAGE	"invalid promotion code"

/* AA004: no guest has this kid, and the request has no jwk to register. */
pg_noreturn extern void raise_unknown_device_key(void);

/* AA004: no account has the device key that the request names. */
pg_noreturn extern void raise_unknown_account_key(void);

/* AA023: the credential is the last one of its account. */
pg_noreturn extern void raise_last_credential(void);

/* AA024: the user is a guest. */
pg_noreturn extern void raise_account_required(void);

/* AA025: the provider's keys do not include the one that signed the ID token. */
pg_noreturn extern void raise_provider_key_unknown(void);

/* AA026: the DPoP proof is missing or bad. */
pg_noreturn extern void raise_invalid_dpop_proof(const char *detail);

/* AA028: the ID token of a provider is not valid. */
pg_noreturn extern void raise_invalid_id_token(const char *detail);

/* AA028: the nonce is not a live challenge, for this reason. */
pg_noreturn extern void raise_invalid_nonce(const char *reason);

/*
 * AA031: the key belonged to an account, or to a guest that was promoted or merged.  can_start_guest: the
 * same call with the public key would start a new guest, so the hint says so.
 */
pg_noreturn extern void raise_removed_device_key(bool can_start_guest);

/* AA005: the challenge is expired, used, forged or for another purpose. */
pg_noreturn extern void raise_invalid_challenge(const char *detail);

/* AA006: the refresh token is unknown, expired or revoked; or of another client or key. */
pg_noreturn extern void raise_invalid_refresh_token(void);
pg_noreturn extern void raise_refresh_token_of_other_client(void);
pg_noreturn extern void raise_refresh_token_of_other_key(void);

/* AA007: the user is disabled. */
pg_noreturn extern void raise_user_disabled(void);

/* AA008: the user of a token or proof is not a guest. */
pg_noreturn extern void raise_not_anonymous(void);

/* AA012: the authorization code cannot be exchanged. */
pg_noreturn extern void raise_invalid_authorization_code(void);

/* AA013: the promotion code is not ours, expired, or its session has ended. */
pg_noreturn extern void raise_invalid_promotion_code(const char *detail);

/* AA014: an access token or another JWT of ours is not valid. */
pg_noreturn extern void raise_invalid_token(const char *reason);

/*
 * AA014: the audience of an authentic token, as JSON or "missing", is not the expected
 * one.  expected is NULL if the caller passed it: it could be a token in the wrong
 * place, and is not shown.  may_be_id_token: the caller named no audience, as an ID
 * token needs.
 */
pg_noreturn extern void raise_wrong_audience(const char *audience, const char *expected,
											 bool may_be_id_token);

/* AA014: an access token is bound to another key than that of the DPoP proof. */
pg_noreturn extern void raise_token_of_other_key(void);

/* AA014: the session of an access token has ended. */
pg_noreturn extern void raise_invalid_session(const char *detail);

/* AA014: a function that needs an access token was called without one. */
pg_noreturn extern void raise_no_access_token(void);

/* AA015: settings.public_sign_up_enabled is off. */
pg_noreturn extern void raise_sign_up_closed(void);

/* AA016: a JWK is malformed, unsupported or too weak. */
pg_noreturn extern void raise_invalid_jwk(const char *reason);

/* AA016: the same for the jwk in the signed request of a device. */
pg_noreturn extern void raise_invalid_device_key(const char *reason);

/* AA016: the account cannot have the device key.  detail is a full sentence. */
pg_noreturn extern void raise_device_key_refused(const char *detail, const char *hint);

/* AA017: no signing key is active; no key has this kid; that key is not active. */
pg_noreturn extern void raise_no_signing_key(void);
pg_noreturn extern void raise_unknown_signing_key(const char *kid);
pg_noreturn extern void raise_inactive_signing_key(const char *kid);

#endif							/* ANON_AUTH_RAISE_H */
