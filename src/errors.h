/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  SQLSTATEs of class AA: what a caller may want to tell apart.
 *
 * Everything else uses PostgreSQL's own codes: 22023 for a malformed
 * argument, 25006 for a write on a standby, 42704 for an unknown object of an
 * administration function, F0000 for an unusable master key.  The codes are
 * part of the API and never change their meaning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ERRORS_H
#define ANON_AUTH_ERRORS_H

#include "postgres.h"

#include "compat.h"
#include "jose/jose.h"

#define AA_SQLSTATE(a, b, c)	MAKE_SQLSTATE('A', 'A', a, b, c)

/* OAuth 2 invalid_client: no such client */
#define ERRCODE_AA_INVALID_CLIENT			AA_SQLSTATE('0', '0', '1')
/* unauthorized_client: the client's type or a setting does not allow it */
#define ERRCODE_AA_UNAUTHORIZED_CLIENT		AA_SQLSTATE('0', '0', '2')
/* invalid_grant: the signed request is malformed, expired or not authentic */
#define ERRCODE_AA_INVALID_REQUEST_JWT		AA_SQLSTATE('0', '0', '3')
/* invalid_grant: unknown kid and no jwk; the device must send its key */
#define ERRCODE_AA_UNKNOWN_DEVICE_KEY		AA_SQLSTATE('0', '0', '4')
/* invalid_grant: the challenge is expired, used, forged; get a new one */
#define ERRCODE_AA_INVALID_CHALLENGE		AA_SQLSTATE('0', '0', '5')
/* invalid_grant: unknown, expired or revoked refresh token */
#define ERRCODE_AA_INVALID_REFRESH_TOKEN	AA_SQLSTATE('0', '0', '6')
/* access_denied: the user is disabled */
#define ERRCODE_AA_USER_DISABLED			AA_SQLSTATE('0', '0', '7')
/* a guest was expected, the user is a regular one */
#define ERRCODE_AA_NOT_ANONYMOUS			AA_SQLSTATE('0', '0', '8')
/* the login ID belongs to another user */
#define ERRCODE_AA_IDENTITY_EXISTS			AA_SQLSTATE('0', '0', '9')
/* the login ID is malformed or not allowed */
#define ERRCODE_AA_INVALID_LOGIN_ID			AA_SQLSTATE('0', '1', '0')
/* the password breaks the policy */
#define ERRCODE_AA_PASSWORD_POLICY			AA_SQLSTATE('0', '1', '1')
/* invalid_grant: unknown, expired or used authorization code, wrong verifier */
#define ERRCODE_AA_INVALID_CODE				AA_SQLSTATE('0', '1', '2')
/* invalid_grant: unknown, expired or used promotion code */
#define ERRCODE_AA_INVALID_PROMOTION_CODE	AA_SQLSTATE('0', '1', '3')
/* invalid_token: an access token or other JWT of ours is not valid */
#define ERRCODE_AA_INVALID_TOKEN			AA_SQLSTATE('0', '1', '4')
/* sign-up is closed */
#define ERRCODE_AA_SIGN_UP_CLOSED			AA_SQLSTATE('0', '1', '5')
/* a JWK is malformed, unsupported or too weak */
#define ERRCODE_AA_INVALID_KEY				AA_SQLSTATE('0', '1', '6')
/* no usable signing key */
#define ERRCODE_AA_SIGNING_KEY				AA_SQLSTATE('0', '1', '7')
/* too many requests: wait, as the detail says */
#define ERRCODE_AA_RATE_LIMITED				AA_SQLSTATE('0', '1', '8')
/* too many wrong passwords: logins to the user are locked for a while */
#define ERRCODE_AA_ACCOUNT_LOCKED			AA_SQLSTATE('0', '1', '9')
/* a hook of settings has refused, or has returned what it must not */
#define ERRCODE_AA_HOOK						AA_SQLSTATE('0', '2', '0')
/* the guest cannot be merged into the account: a table of yours refuses */
#define ERRCODE_AA_MERGE					AA_SQLSTATE('0', '2', '1')

/*
 * True if the server cancels the query or ends the session.  False for errors of
 * functions that only use the SQLSTATE of a cancellation.
 */
extern bool error_is_cancellation(const ErrorData *error);

/*
 * Whether an error must reach the client as it is, whatever it happened in: a
 * cancellation, a lack of resources, or a transaction that can be retried.
 */
extern bool error_must_not_be_caught(const ErrorData *error);

/*
 * Whether the same call may succeed a little later although nobody changes data,
 * settings or tables on purpose: the server is short of something, an object is
 * locked, or DDL has just replaced it.
 */
extern bool error_may_pass(const ErrorData *error);

/*
 * For a status that is no fault of the caller's input; does nothing on
 * JOSE_OK, raises XX000 otherwise.
 */
extern void check_jose_internal(JoseStatus status);

/* Raises AA016 with the reason, a clause in lower case without a period. */
pg_noreturn extern void raise_invalid_jwk(const char *reason);

/* Raises 22023 "<name> is required". */
pg_noreturn extern void raise_required(const char *name);

#endif							/* ANON_AUTH_ERRORS_H */
