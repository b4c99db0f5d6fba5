/*-------------------------------------------------------------------------
 *
 * request_jwt.h
 *	  The request that a device signs with its key (docs/authgear.md, section
 *	  1.2).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REQUEST_JWT_H
#define ANON_AUTH_REQUEST_JWT_H

#include "postgres.h"

#include "base/compat.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "store/device_keys.h"
#include "token/token.h"

/* The kind of request: its "typ", its "action" and the purpose of its challenge. */
typedef enum RequestAction
{
	REQUEST_AUTH,				/* of a guest */
	REQUEST_PROMOTE,
	REQUEST_SETUP,				/* with a device key of an account: "biometric" */
	REQUEST_AUTHENTICATE
} RequestAction;

typedef struct RequestJwt
{
	char	   *kid;
	JoseAlg		alg;			/* asymmetric */
	Jsonb	   *jwk;			/* NULL: the request does not have one */
	char	   *thumbprint;		/* RFC 7638, of jwk; NULL without one */
	Jsonb	   *device_info;	/* of REQUEST_SETUP and REQUEST_AUTHENTICATE; can be NULL */
	Challenge	challenge;
	JoseCompact parts;			/* point into the text that was parsed */
} RequestJwt;

/*
 * Fill request from a compact JWS and check everything except the signature and
 * whether the challenge was used before.  request points into jwt afterwards.
 * Raises AA003 for a malformed or expired request, AA005 for a challenge that is
 * not valid, AA016 for a jwk that must not be registered.
 */
extern void request_jwt_parse(const char *jwt, size_t length, RequestAction action,
							  TimestampTz now, RequestJwt *request);

/* Raise AA003 unless jwk signed the request with alg. */
extern void request_jwt_verify(const RequestJwt *request, Jsonb *jwk, const char *alg);

/*
 * Return the "action" of a request that nobody has verified, which tells what its sender
 * wants, or NULL if it has none.  Raises AA003 for a malformed request.
 */
extern const char *request_jwt_claimed_action(const char *jwt, size_t length);

/*
 * Fill key with the registered device key that signed the request.  With a jwk in the
 * request, only that key is tried, otherwise the oldest keys with the kid
 * (DEVICE_KEYS_OF_KID).  Return false if no such key is registered.  Raises AA003 if a key
 * is registered but did not sign.
 */
extern bool request_jwt_find_key(const RequestJwt *request, DeviceKey *key);

/*
 * Store that the key has used the challenge.  Return false if the key has changed since
 * key was read.  Raises AA005 if it used the challenge before.
 */
extern bool request_jwt_use_challenge(const RequestJwt *request, const DeviceKey *key,
									  TimestampTz now);

/*
 * For the request of a guest: find its key, as request_jwt_find_key(), and store that the
 * challenge has been used.  Raises AA005 if the key used the challenge before, AA008 if the
 * key belongs to an account, 40001 after 100 races with other logins.
 */
extern bool request_jwt_authenticate(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/* Same, but leave the challenge unused, so that the request can be sent again. */
extern bool request_jwt_check(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/*
 * Return whether a key signed the request that was removed when its guest became part of
 * this account.  To be called if no registered key has signed it.
 */
extern bool request_jwt_is_of_account(const RequestJwt *request, const pg_uuid_t *account);

/*
 * Raise the error for a request of no registered key: AA031 if a key signed it that was
 * removed from an account, or when its guest became part of one, otherwise AA004.
 */
pg_noreturn extern void request_jwt_raise_unregistered(const RequestJwt *request,
														   bool can_start_guest);

/* Raise the same for a request with the device key of an account. */
pg_noreturn extern void request_jwt_raise_unknown_account_key(const RequestJwt *request);

#endif							/* ANON_AUTH_REQUEST_JWT_H */
