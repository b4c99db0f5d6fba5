/*-------------------------------------------------------------------------
 *
 * own_jwt.h
 *	  JWTs that are signed with a key of anon_auth.signing_keys: access tokens,
 *	  ID tokens and tokens of sign_jwt().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OWN_JWT_H
#define ANON_AUTH_OWN_JWT_H

#include "postgres.h"

#include "store/settings.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct OwnJwt
{
	Jsonb	   *header;
	Jsonb	   *claims;
} OwnJwt;

/* The claims of a valid access token, and those that name its session and key. */
typedef struct AccessToken
{
	Jsonb	   *claims;
	pg_uuid_t	sub;
	pg_uuid_t	sid;
	char	   *jkt;			/* thumbprint of the key that it is bound to, or NULL */
} AccessToken;

/*
 * Return a clause that says why own_jwt_open() would refuse a token with these
 * claims (a JSON object), or NULL if it would not.  Check claims that the
 * application chose before they are signed.
 */
extern const char *own_jwt_claims_problem(const char *claims, size_t length);

/*
 * Sign a JSON object and return the compact JWS.  kid NULL means the newest
 * active key.  typ goes into the header.  Raises AA017 without a usable key,
 * 54000 if the token would be longer than a token may be.
 */
extern char *own_jwt_sign(const char *payload, size_t length, const char *kid, const char *typ);

/*
 * Return the at_hash of an access token for an ID token (OpenID Connect Core, section
 * 3.1.3.6): the first half of its hash in base64url.  The hash is that of the key that
 * signs now.  Sets *kid to that key, with which the caller signs the ID token.
 */
extern char *own_jwt_at_hash(const char *access_token, char **kid);

/*
 * Fill jwt from a compact JWS.  Return NULL if the token is well-formed and its
 * signature is valid, otherwise a clause that says why it is not.  Does not look
 * at the claims.
 */
extern const char *own_jwt_open(const char *token, size_t length, OwnJwt *jwt);

/* Same, but raise AA014 instead of returning the reason. */
extern void own_jwt_authenticate(const char *token, size_t length, OwnJwt *jwt);

/*
 * Check exp, nbf, iss and aud.  A claim that is missing is not checked, except
 * that aud must be there if the caller names an audience.  audience NULL means
 * settings.audience.  Raises AA014.
 */
extern void own_jwt_check_claims(const OwnJwt *jwt, const char *audience, TimestampTz now);

/*
 * Return a clause that says why claims are not those of an access token of this
 * database (RFC 9068, section 2.2), or NULL if they are, and then fill sub and sid.
 * With settings NULL, reads the settings as settings_get().  Does not check whether the
 * token has expired, and cannot check its header: see own_jwt_has_typ().
 */
extern const char *own_jwt_access_claims_problem(const Jsonb *claims, const Settings *settings,
												 pg_uuid_t *sub, pg_uuid_t *sid);

/*
 * Return a clause that says why claims without sub are refused, or NULL: their iss and
 * aud, if present, must be those of the settings.  sign_jwt() makes such tokens for
 * machines.
 */
extern const char *own_jwt_machine_claims_problem(const Jsonb *claims);

/*
 * True if the header of a JWT has this typ.  For a token whose signature PostgREST has
 * verified.
 */
extern bool own_jwt_has_typ(const char *token, size_t length, const char *typ);

/*
 * Fill access from a token that is an access token (RFC 9068) and valid now.
 * Raises AA014.  Does not check whether its session is alive; session_get_user() does.  A
 * token that is bound to a key (jkt) needs a DPoP proof, too: identity_use_key().
 */
extern void own_jwt_verify_access_token(const char *token, size_t length, TimestampTz now,
										AccessToken *access);

#endif							/* ANON_AUTH_OWN_JWT_H */
