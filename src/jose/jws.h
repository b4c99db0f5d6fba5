/*-------------------------------------------------------------------------
 *
 * jws.h
 *	  The compact serialization of a JWS, and its signature (RFC 7515).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JWS_H
#define ANON_AUTH_JWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/span.h"
#include "jose/jose_status.h"
#include "jose/key.h"

/* Bytes of the largest signature: that of the largest RSA key. */
#define JOSE_MAX_SIGNATURE_LENGTH	(JOSE_RSA_MAX_BITS / 8)

/* The parts of a compact JWS (RFC 7515 section 7.1), as spans of the token. */
typedef struct JoseCompact
{
	Span		header;
	Span		payload;
	Span		signature;
	Span		signing_input;	/* header '.' payload */
} JoseCompact;

/*
 * Find the parts of a token of at most JOSE_MAX_TOKEN_LENGTH bytes.  The payload
 * may be empty, header and signature not.  Returns JOSE_TOO_LARGE or
 * JOSE_BAD_FORMAT.
 *
 * jose_compact_split() also checks that each part is strict base64url
 * (JOSE_BAD_BASE64URL).  jose_compact_parts() does not, and is for callers that
 * decode every part.
 */
extern JoseStatus jose_compact_split(const char *token, size_t length, JoseCompact *parts);
extern JoseStatus jose_compact_parts(const char *token, size_t length, JoseCompact *parts);

/*
 * Sign a signing input.  *signature_length is the size of the buffer on entry
 * (JOSE_MAX_SIGNATURE_LENGTH always suffices) and the signature's length on
 * return, 0 on failure.  ES* signatures are R || S in the width of the curve
 * (RFC 7518 section 3.4), not DER.  Returns JOSE_ALG_UNSUPPORTED,
 * JOSE_ALG_MISMATCH if the key does not allow the algorithm, or
 * JOSE_KEY_NOT_PRIVATE.
 */
extern JoseStatus jose_sign(const JoseKey *key, JoseAlg alg,
							const uint8_t *input, size_t input_length,
							uint8_t *signature, size_t *signature_length);

/*
 * Verify a signature: JOSE_OK if the key made it with this algorithm, else
 * JOSE_BAD_SIGNATURE, or a status of jose_sign() about the algorithm.
 */
extern JoseStatus jose_verify(const JoseKey *key, JoseAlg alg,
							  const uint8_t *input, size_t input_length,
							  const uint8_t *signature, size_t signature_length);

#endif							/* ANON_AUTH_JWS_H */
