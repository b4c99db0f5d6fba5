/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Keys of any type: import, generation, export, thumbprint.
 *
 * A key does not change once it is made.  Importing one checks it completely,
 * so that its users need no further checks.  OpenSSL's error queue is empty
 * after every call.
 *
 * Sources: RFC 7517 (JWK), RFC 7518 section 6, RFC 8037, RFC 7638 (thumbprint).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEY_H
#define ANON_AUTH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jwk_members.h"

/* Bytes of a thumbprint: SHA-256, the usual hash of RFC 7638. */
#define JOSE_THUMBPRINT_LENGTH	32

/* Bytes that suffice for any public JWK, and for any private part. */
#define JOSE_MAX_PUBLIC_JWK_LENGTH	(JOSE_RSA_MAX_BITS / 8 * 4 / 3 + 128)
#define JOSE_MAX_PRIVATE_LENGTH		8192

typedef struct JoseKey JoseKey;

/*
 * Import a public, private or symmetric key.  If a private part is there, it is
 * checked against the public one.  On success the caller frees *key with
 * jose_key_free(); on failure *key is NULL.
 */
extern JoseStatus jose_key_import(const JoseJwk *jwk, JoseKey **key);

/*
 * Make a random private key for an algorithm: on the algorithm's curve for ES*
 * and EdDSA, RSA with 2048 bits for RS* and PS*, a secret as long as the hash
 * for HS*.  Memory as for jose_key_import().
 */
extern JoseStatus jose_key_generate(JoseAlg alg, JoseKey **key);

/* Wipe and free a key.  NULL is allowed. */
extern void jose_key_free(JoseKey *key);

/* True for private and for symmetric keys. */
extern bool jose_key_can_sign(const JoseKey *key);
extern bool jose_key_is_symmetric(const JoseKey *key);

/*
 * True if the key may be used with the algorithm: the key types agree, an EC key
 * is on the algorithm's curve, and a secret is at least as long as the hash.
 * Does not ask what the algorithm is for (jose_alg_is_for()).
 */
extern bool jose_key_allows(const JoseKey *key, JoseAlg alg);

/*
 * The algorithm that a key is used with if nothing else is said: the first in the
 * table that it allows, which is RS256 for every RSA key.
 */
extern JoseAlg jose_key_default_alg(const JoseKey *key);

/*
 * Write the public JWK with its required members only, in lexicographic order
 * and without white space: the input of an RFC 7638 thumbprint.  *length is the
 * size of buffer on entry and the number of bytes on return, 0 on failure.
 * There is no terminator.
 *
 * For a symmetric key the text contains the secret, as RFC 7638 section 3.2
 * demands.  Callers must not publish it.
 */
extern JoseStatus jose_key_public_jwk(const JoseKey *key, char *buffer, size_t *length);

/* Compute the RFC 7638 thumbprint.  That of a symmetric key is a hash of its secret. */
extern JoseStatus jose_key_thumbprint(const JoseKey *key,
									  uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH]);

/*
 * Write the private part alone, which callers seal and store beside the public
 * JWK: the scalar of an EC key in the width of its curve, the 32-byte seed of an
 * Ed25519 key, the PKCS #1 DER of an RSA key, or the secret of a symmetric key.
 * *length as in jose_key_public_jwk().  JOSE_KEY_NOT_PRIVATE for a public key.
 * The caller wipes the buffer.
 */
extern JoseStatus jose_key_export_private(const JoseKey *key, uint8_t *buffer, size_t *length);

/*
 * Import the result of jose_key_export_private() together with the public JWK.
 * Memory and checks as for jose_key_import().
 */
extern JoseStatus jose_key_import_private(const JoseJwk *public_jwk,
										  const uint8_t *private_part, size_t length,
										  JoseKey **key);

#endif							/* ANON_AUTH_KEY_H */
