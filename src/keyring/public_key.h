/*-------------------------------------------------------------------------
 *
 * public_key.h
 *	  Keys of others that are given as a JWK: of devices, and of jws_verify().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PUBLIC_KEY_H
#define ANON_AUTH_PUBLIC_KEY_H

#include "postgres.h"

#include "jose/jws.h"
#include "utils/jsonb.h"

/*
 * Return the parsed key of a JWK.  If the JWK is malformed, too weak, or not meant
 * for verifying signatures ("use", "key_ops": RFC 7517 sections 4.2 and 4.3),
 * return NULL and set *reason to a static or palloc'd clause.  Valid until the
 * next call.
 */
extern const JoseKey *public_key_get(Jsonb *jwk, const char **reason);

/*
 * Check that the key of a JWK signed a compact JWS with an algorithm, which is the
 * "alg" of the token's header.  Returns JOSE_OK, or why not: the algorithm must
 * fit the key and be the "alg" of the JWK if it has one.
 */
extern JoseStatus public_key_verify(const JoseKey *key, Jsonb *jwk, JoseAlg alg,
									const JoseCompact *parts);

/*
 * Return the RFC 7638 thumbprint of a JWK that public_key_get() has accepted, in
 * base64url and palloc'd.
 */
extern char *public_key_thumbprint(Jsonb *jwk);

#endif							/* ANON_AUTH_PUBLIC_KEY_H */
