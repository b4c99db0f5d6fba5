/*-------------------------------------------------------------------------
 *
 * passkey_response.h
 *	  What a browser sends for a passkey: RegistrationResponseJSON and
 *	  AuthenticationResponseJSON of WebAuthn Level 3, section 5.1.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEY_RESPONSE_H
#define ANON_AUTH_PASSKEY_RESPONSE_H

#include "postgres.h"

#include "base/string_list.h"
#include "store/passkeys.h"
#include "token/token.h"
#include "utils/jsonb.h"
#include "webauthn/authenticator_data.h"

/*
 * A response whose client data, challenge and authenticator data were checked.  Its
 * challenge may have been used.
 */
typedef struct PasskeyResponse
{
	bool		creates;		/* the response to create(), otherwise to get() */
	bytea	   *credential_id;
	PasskeyChallenge challenge;
	AuthenticatorData data;		/* read from authenticator_data */
	bool		user_verified;
	Span		authenticator_data;
	Span		client_data;
	Span		signature;		/* of get() */
	Span		user_handle;	/* of get() */
	StringList	transports;		/* of create() */
} PasskeyResponse;

/*
 * Read a response, and check everything that needs no row: the form, type, challenge, origin,
 * RP ID, presence and verification of the user, and the backup flags.  Raises AA029.
 */
extern void passkey_response_read(Jsonb *json, TimestampTz now, PasskeyResponse *response);

/* Return whether a response is that to create().  Checks nothing else; raises nothing. */
extern bool passkey_response_creates(const Jsonb *json);

/*
 * Find the user whom the response to create() has made a passkey for.  Checks only that the
 * challenge was issued here for that, at any time.  Return false if not; raises nothing.
 */
extern bool passkey_response_user(const Jsonb *json, pg_uuid_t *user_id);

/* Raise AA029 unless it is the response to create(), or to get(). */
extern void passkey_response_require(const PasskeyResponse *response, bool creates);

/*
 * Return the passkey that a response to create() has made, without user and name.  Raises AA029
 * if its key is not usable.
 */
extern Passkey passkey_response_passkey(const PasskeyResponse *response);

/* Raise AA029 unless the passkey's key has signed a response to get() for its user. */
extern void passkey_response_verify(const PasskeyResponse *response, const Passkey *passkey);

#endif							/* ANON_AUTH_PASSKEY_RESPONSE_H */
