/*-------------------------------------------------------------------------
 *
 * cose_key.h
 *	  Public keys of authenticators: COSE_Key (RFC 9052, RFC 9053), as WebAuthn restricts
 *	  it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COSE_KEY_H
#define ANON_AUTH_COSE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "jose/jwa.h"
#include "jose/key.h"
#include "webauthn/strict_cbor.h"

/*
 * The algorithms of passkeys: the number in COSE and the one in src/jose, the best first.
 * The curve of ES256 is P-256, that of EdDSA is Ed25519.
 */
#define COSE_ALGORITHMS(ALGORITHM) \
	ALGORITHM(-8, EDDSA) \
	ALGORITHM(-7, ES256) \
	ALGORITHM(-257, RS256)

/* The numbers in COSE, in the order of the list. */
extern const int cose_algorithms[];
extern const int cose_algorithm_count;

typedef enum CoseStatus
{
	COSE_OK = 0,
	COSE_MALFORMED,				/* not a COSE_Key with exactly the members of its type */
	COSE_UNSUPPORTED			/* an algorithm that is not in the list */
} CoseStatus;

/* Coordinates and numbers are big-endian; those that the key type lacks are absent. */
typedef struct CoseKey
{
	JoseAlg		alg;
	Span		x;				/* EC and OKP */
	Span		y;				/* EC */
	Span		n;				/* RSA */
	Span		e;				/* RSA */
} CoseKey;

/*
 * Read a key.  Spans point into the text of the reader.  WebAuthn requires "alg" and the
 * members of the key type, and forbids others.  Whether the values are a key, such as a
 * point on the curve, is left to jose_key_import().
 */
extern CoseStatus cose_key_read(StrictCborReader *reader, CoseKey *key);

/*
 * Write the public JWK, with its required members only.  Returns false if the buffer of
 * this size is too small: JOSE_MAX_PUBLIC_JWK_LENGTH + 1 suffices for keys of
 * JOSE_RSA_MAX_BITS.
 */
extern bool cose_key_write_jwk(const CoseKey *key, char *buffer, size_t size);

#endif							/* ANON_AUTH_COSE_KEY_H */
