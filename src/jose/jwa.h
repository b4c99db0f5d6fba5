/*-------------------------------------------------------------------------
 *
 * jwa.h
 *	  The one list of signature algorithms, and what each may be used for.
 *
 * Algorithms are those of RFC 7518 section 3.1 and RFC 8037 section 3.1.
 * "none" is not among them.  docs/contributing.md says how to add one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JWA_H
#define ANON_AUTH_JWA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/*
 * A row has
 *
 * - the algorithm's constant and its case-sensitive name in "alg";
 * - the key type (JoseKeyType), the scheme (JoseScheme: the curve of an EC
 *   key, the padding of RSA) and the hash (JoseHash);
 * - the length of a signature in bytes; 0: as long as the RSA modulus;
 * - whether our own tokens are signed with it (JOSE_USE_SIGN_TOKENS), whether
 *   a device may register a key for it (JOSE_USE_DEVICE_KEYS), whether
 *   jws_verify() accepts it (JOSE_USE_VERIFY), and whether a DPoP proof may have
 *   it (JOSE_USE_PROOFS).
 *
 * The order is that of lists in messages and documents.  The first algorithm
 * that a key allows is the key's default.
 *
 * Symmetric algorithms are never for device keys and proofs: those keys are public.
 * t/016_algorithms.pl compares the table with the SQL scripts and the
 * documents.
 */
#define JOSE_ALGORITHMS(ALGORITHM) \
	/*        constant  name     type scheme   hash    sig  tokens devices verify proofs */ \
	ALGORITHM(ES256,    "ES256", EC,  P256,    SHA256, 64,  true,  true,   true,   true) \
	ALGORITHM(ES384,    "ES384", EC,  P384,    SHA384, 96,  false, true,   true,   false) \
	ALGORITHM(ES512,    "ES512", EC,  P521,    SHA512, 132, false, true,   true,   false) \
	ALGORITHM(EDDSA,    "EdDSA", OKP, ED25519, SHA512, 64,  true,  true,   true,   true) \
	ALGORITHM(RS256,    "RS256", RSA, PKCS1,   SHA256, 0,   true,  true,   true,   true) \
	ALGORITHM(RS384,    "RS384", RSA, PKCS1,   SHA384, 0,   false, true,   true,   false) \
	ALGORITHM(RS512,    "RS512", RSA, PKCS1,   SHA512, 0,   false, true,   true,   false) \
	ALGORITHM(PS256,    "PS256", RSA, PSS,     SHA256, 0,   true,  true,   true,   true) \
	ALGORITHM(PS384,    "PS384", RSA, PSS,     SHA384, 0,   false, true,   true,   false) \
	ALGORITHM(PS512,    "PS512", RSA, PSS,     SHA512, 0,   false, true,   true,   false) \
	ALGORITHM(HS256,    "HS256", OCT, HMAC,    SHA256, 32,  true,  false,  true,   false) \
	ALGORITHM(HS384,    "HS384", OCT, HMAC,    SHA384, 48,  false, false,  true,   false) \
	ALGORITHM(HS512,    "HS512", OCT, HMAC,    SHA512, 64,  false, false,  true,   false)

/*
 * Other names of an algorithm, which are accepted wherever we read "alg", and never
 * written.  RFC 9864 renames EdDSA with Ed25519, the only curve here, to Ed25519:
 * WebCrypto exports such keys with that name.  A synonym is no algorithm: a key that
 * allows the algorithm allows both names.
 */
#define JOSE_ALGORITHM_SYNONYMS(SYNONYM) \
	SYNONYM(EDDSA, "Ed25519")

#define JOSE_ALGORITHM_CONSTANT(constant, ...)	JOSE_ALG_##constant,

typedef enum JoseAlg
{
	JOSE_ALG_UNKNOWN = 0,
	JOSE_ALGORITHMS(JOSE_ALGORITHM_CONSTANT)
	JOSE_ALG_END				/* one more than the last algorithm */
} JoseAlg;

typedef enum JoseKeyType
{
	JOSE_KEY_EC,
	JOSE_KEY_RSA,
	JOSE_KEY_OKP,
	JOSE_KEY_OCT
} JoseKeyType;

typedef enum JoseScheme
{
	JOSE_P256, JOSE_P384, JOSE_P521,	/* ECDSA on this curve */
	JOSE_ED25519,
	JOSE_PKCS1, JOSE_PSS,		/* RSASSA with this padding */
	JOSE_HMAC
} JoseScheme;

typedef enum JoseHash
{
	JOSE_SHA256, JOSE_SHA384, JOSE_SHA512
} JoseHash;

#define JOSE_HASHES		3

/* A row of the table.  Ed25519 hashes itself, so that its hash is not used. */
typedef struct JoseAlgInfo
{
	const char *name;
	JoseKeyType key_type;
	JoseScheme	scheme;
	JoseHash	hash;
	size_t		signature_length;	/* 0: that of the RSA modulus */
	bool		signs_tokens;
	bool		for_device_keys;
	bool		verifies;
	bool		for_proofs;
} JoseAlgInfo;

typedef enum JoseUse
{
	JOSE_USE_SIGN_TOKENS,		/* a signing key may have it */
	JOSE_USE_MAKE_KEYS,			/* we make such signing keys, and publish them:
								 * JOSE_USE_SIGN_TOKENS without symmetric ones */
	JOSE_USE_DEVICE_KEYS,		/* a device may sign requests with it */
	JOSE_USE_VERIFY,			/* jws_verify() accepts it */
	JOSE_USE_PROOFS				/* DPoP proofs may have it (RFC 9449, section 11.6) */
} JoseUse;

/* The algorithm of this exact name or synonym; JOSE_ALG_UNKNOWN for any other text. */
extern JoseAlg jose_alg_by_name(Span name);

/* The name, or "unknown".  Never NULL, and never a synonym. */
extern const char *jose_alg_name(JoseAlg alg);

/* The row of an algorithm, or NULL if the number is none. */
extern const JoseAlgInfo *jose_alg_info(JoseAlg alg);

/* True for HMAC: signer and verifier share the key.  False for an unknown one. */
extern bool jose_alg_is_symmetric(JoseAlg alg);

/* True if the algorithm is in the table and may be used for that. */
extern bool jose_alg_is_for(JoseAlg alg, JoseUse use);

/*
 * Write the names of all algorithms for a use, such as "ES256, EdDSA and RS256",
 * with the given conjunction before the last one.  If quote is not NULL, it
 * stands before and after each name.  Returns buffer.
 */
#define JOSE_ALG_LIST_SIZE	192
extern const char *jose_alg_list(JoseUse use, const char *conjunction, const char *quote,
								 char buffer[JOSE_ALG_LIST_SIZE]);

#endif							/* ANON_AUTH_JWA_H */
