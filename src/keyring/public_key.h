/*-------------------------------------------------------------------------
 *
 * public_key.h
 *	  Other people's keys, given as JWK.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PUBLIC_KEY_H
#define ANON_AUTH_PUBLIC_KEY_H

#include "postgres.h"

#include "jose/jws.h"
#include "utils/jsonb.h"

/*
 * The parsed key of a JWK.  NULL with *reason set when it is malformed, weak
 * or not meant for signatures ("use", "key_ops": RFC 7517, 4.2 and 4.3).
 * Valid until the next call.
 */
extern const JoseKey *public_key_get(Jsonb *jwk, const char **reason);

/*
 * Whether a key that came as a JWK signed a compact JWS: the header's alg
 * must be given as alg, fit the key, and be the JWK's own "alg" if it has one.
 */
extern JoseStatus public_key_verify(const JoseKey *key, Jsonb *jwk, JoseAlg alg,
									const JoseCompact *parts);

/* The RFC 7638 thumbprint of a JWK that public_key_get() accepts, in base64url. */
extern char *public_key_thumbprint(Jsonb *jwk);

#endif							/* ANON_AUTH_PUBLIC_KEY_H */
