/*-------------------------------------------------------------------------
 *
 * jose.h
 *	  JOSE (JWS, JWK, JWA) on OpenSSL 3 and libsodium, in plain C.
 *
 * Nothing in src/jose includes postgres.h, allocates from a memory context or
 * throws: functions return a JoseStatus, so that OpenSSL objects are freed on
 * every path, and the code can be unit-tested and fuzzed outside the server.
 * It parses no JSON: callers hand over the members of a JWK or of a JOSE
 * header as spans of bytes.
 *
 * Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (JWA), RFC 7638 (JWK
 * thumbprint), RFC 8037 (Ed25519 in JOSE), RFC 8725 (JWT best practices).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JOSE_H
#define ANON_AUTH_JOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/input_limits.h"
#include "base/span.h"

/* RSA moduli outside of these bounds are refused (RFC 7518, section 3.3). */
#define JOSE_RSA_MIN_BITS		2048
#define JOSE_RSA_MAX_BITS		8192

/* Largest signature: RSA with JOSE_RSA_MAX_BITS. */
#define JOSE_MAX_SIGNATURE_LENGTH	(JOSE_RSA_MAX_BITS / 8)

/* SHA-256, the hash of RFC 7638 thumbprints as they are used here. */
#define JOSE_THUMBPRINT_LENGTH	32

typedef enum JoseStatus
{
	JOSE_OK = 0,
	JOSE_BAD_BASE64URL,			/* not strict, unpadded base64url */
	JOSE_BAD_FORMAT,			/* not three dot-separated parts */
	JOSE_TOO_LARGE,				/* longer than JOSE_MAX_TOKEN_LENGTH, or than the
								 * buffer that is to take it */
	JOSE_KEY_UNSUPPORTED,		/* unknown kty or crv */
	JOSE_KEY_INCOMPLETE,		/* a member the kty requires is missing */
	JOSE_KEY_MALFORMED,			/* a member has a wrong encoding or size */
	JOSE_KEY_WEAK,				/* too small or too large RSA key, bad exponent, short secret,
								 * small-order Ed25519 point */
	JOSE_KEY_OFF_CURVE,			/* EC point is not on its curve */
	JOSE_KEY_MISMATCH,			/* private part does not belong to public part */
	JOSE_KEY_NOT_PRIVATE,		/* signing asked of a public key */
	JOSE_ALG_UNSUPPORTED,		/* unknown alg, or none */
	JOSE_ALG_MISMATCH,			/* alg is not one of this key's */
	JOSE_BAD_SIGNATURE,			/* well-formed call, signature does not match */
	JOSE_FAILURE				/* out of memory, or the library failed */
} JoseStatus;

/*
 * One-line English description of a status, lower case and without a period,
 * fit for errdetail-style use ("the key is too weak").  Never NULL.
 */
extern const char *jose_status_message(JoseStatus status);

/*
 * Algorithms: RFC 7518 section 3.1 and RFC 8037 section 3.1.
 */
typedef enum JoseAlg
{
	JOSE_ALG_UNKNOWN = 0,
	JOSE_ALG_HS256, JOSE_ALG_HS384, JOSE_ALG_HS512,
	JOSE_ALG_RS256, JOSE_ALG_RS384, JOSE_ALG_RS512,
	JOSE_ALG_PS256, JOSE_ALG_PS384, JOSE_ALG_PS512,
	JOSE_ALG_ES256, JOSE_ALG_ES384, JOSE_ALG_ES512,
	JOSE_ALG_EDDSA
} JoseAlg;

/* The exact, case-sensitive name to an algorithm; "none" is unknown. */
extern JoseAlg jose_alg_by_name(Span name);
extern const char *jose_alg_name(JoseAlg alg);

/* Whether signer and verifier have the same key: HMAC.  False for an unknown one. */
extern bool jose_alg_is_symmetric(JoseAlg alg);

/*
 * base64url without padding, RFC 4648 section 5 and RFC 7515 section 2.
 * Decoding is strict: no padding, no white space, no other alphabet, no
 * non-zero trailing bits, no length of 1 modulo 4.
 */
#define BASE64URL_ENCODED_LENGTH(n)		(((n) * 4 + 2) / 3)
#define BASE64URL_DECODED_MAX(n)		((n) / 4 * 3 + 3)

/* Whether there is no other character; says nothing of length and last bits. */
extern bool base64url_alphabet_only(const char *src, size_t length);

/* Writes BASE64URL_ENCODED_LENGTH(length) characters, no terminator. */
extern size_t base64url_encode(char *dst, const uint8_t *src, size_t length);

/* *dst_length is the size of dst on entry and the bytes written on return. */
extern JoseStatus base64url_decode(uint8_t *dst, size_t *dst_length,
								   const char *src, size_t length);

/*
 * Members of a JWK as they stand in its JSON (base64url text, not decoded).
 */
typedef struct JoseJwk
{
	Span	kty;
	Span	crv;
	Span	x;
	Span	y;
	Span	n;
	Span	e;
	Span	d;
	Span	p;
	Span	q;
	Span	dp;
	Span	dq;
	Span	qi;
	Span	k;
} JoseJwk;

/* An imported key; immutable once made. */
typedef struct JoseKey JoseKey;

/*
 * Imports a public, private or symmetric key.  The private part is checked
 * against the public one.  On success *key must be freed by jose_key_free.
 */
extern JoseStatus jose_key_import(const JoseJwk *jwk, JoseKey **key);

/*
 * Makes a fresh private key for an algorithm: P-256/384/521 for ES*, RSA-2048
 * for RS* and PS*, Ed25519 for EdDSA, a secret as long as the hash for HS*.
 */
extern JoseStatus jose_key_generate(JoseAlg alg, JoseKey **key);

/* Frees and wipes; NULL is fine. */
extern void jose_key_free(JoseKey *key);

/* True for private and for symmetric keys. */
extern bool jose_key_can_sign(const JoseKey *key);
extern bool jose_key_is_symmetric(const JoseKey *key);
extern bool jose_key_allows(const JoseKey *key, JoseAlg alg);

/* The one algorithm that a signer takes when none is said: ES256/384/512 by
 * curve, EdDSA, RS256, HS256. */
extern JoseAlg jose_key_default_alg(const JoseKey *key);

/*
 * The public JWK with only its required members, in lexicographic order and
 * without white space: the input of an RFC 7638 thumbprint.  *length is the
 * size of buffer on entry and what was written (no terminator) on return.
 * A symmetric key gives its secret, as RFC 7638 section 3.2 says: callers
 * must not publish it.
 */
#define JOSE_MAX_PUBLIC_JWK_LENGTH	(JOSE_RSA_MAX_BITS / 8 * 4 / 3 + 128)
extern JoseStatus jose_key_public_jwk(const JoseKey *key, char *buffer, size_t *length);

/* SHA-256 thumbprint, RFC 7638. */
extern JoseStatus jose_key_thumbprint(const JoseKey *key,
									  uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH]);

/*
 * The private part alone, for sealed storage beside the public JWK: the
 * scalar of an EC key (fixed width), the 32-byte seed of an Ed25519 key, the
 * PKCS#1 DER of an RSA key, the secret of a symmetric one.
 */
#define JOSE_MAX_PRIVATE_LENGTH		8192
extern JoseStatus jose_key_export_private(const JoseKey *key, uint8_t *buffer, size_t *length);
extern JoseStatus jose_key_import_private(const JoseJwk *public_jwk,
										  const uint8_t *private_part, size_t length,
										  JoseKey **key);

/*
 * Signs or verifies a JWS signing input.  ES* signatures are the fixed-width
 * concatenation R || S (RFC 7518 section 3.4), not DER.  *signature_length is
 * the buffer's size on entry (JOSE_MAX_SIGNATURE_LENGTH always suffices).
 */
extern JoseStatus jose_sign(const JoseKey *key, JoseAlg alg,
							const uint8_t *input, size_t input_length,
							uint8_t *signature, size_t *signature_length);
extern JoseStatus jose_verify(const JoseKey *key, JoseAlg alg,
							  const uint8_t *input, size_t input_length,
							  const uint8_t *signature, size_t signature_length);

/* The parts of a compact JWS (RFC 7515 section 7.1), as spans of the token. */
typedef struct JoseCompact
{
	Span	header;
	Span	payload;
	Span	signature;
	Span	signing_input;	/* header '.' payload */
} JoseCompact;

/*
 * Splitting checks that each part is strict base64url, and decodes nothing.
 * Finding the parts does not look at their characters: for who decodes all.
 */
extern JoseStatus jose_compact_split(const char *token, size_t length, JoseCompact *parts);
extern JoseStatus jose_compact_parts(const char *token, size_t length, JoseCompact *parts);

#endif							/* ANON_AUTH_JOSE_H */
