/*-------------------------------------------------------------------------
 *
 * assertion.c
 *	  Signatures of authenticators (WebAuthn Level 3, section 6.5.5).
 *
 *-------------------------------------------------------------------------
 */
#include "webauthn/assertion.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* R and S of P-256. */
#define ES256_NUMBER_LENGTH		32
#define ES256_LENGTH			(2 * ES256_NUMBER_LENGTH)

/* Bytes of a DER signature of P-256, at most. */
#define ES256_DER_MAX			72

/*
 * Convert a DER signature to R || S, the form of JWS.  Only DER is accepted: another
 * encoding of the same numbers would be a second signature.
 */
static bool
convert_der(Span der, uint8_t raw[ES256_LENGTH])
{
	const uint8_t *next = (const uint8_t *) der.data;
	uint8_t		again[ES256_DER_MAX];
	uint8_t    *end = again;
	ECDSA_SIG  *signature;
	bool		is_valid = false;

	if (der.length > ES256_DER_MAX)
		return false;
	signature = d2i_ECDSA_SIG(NULL, &next, (long) der.length);
	if (signature != NULL && i2d_ECDSA_SIG(signature, NULL) == (int) der.length)
	{
		const BIGNUM *r = ECDSA_SIG_get0_r(signature);
		const BIGNUM *s = ECDSA_SIG_get0_s(signature);

		is_valid = i2d_ECDSA_SIG(signature, &end) == (int) der.length &&
			memcmp(again, der.data, der.length) == 0 &&
			!BN_is_negative(r) && !BN_is_negative(s) &&
			BN_bn2binpad(r, raw, ES256_NUMBER_LENGTH) == ES256_NUMBER_LENGTH &&
			BN_bn2binpad(s, raw + ES256_NUMBER_LENGTH, ES256_NUMBER_LENGTH) ==
			ES256_NUMBER_LENGTH;
	}
	ECDSA_SIG_free(signature);
	ERR_clear_error();
	return is_valid;
}

JoseStatus
assertion_verify(const JoseKey *key, JoseAlg alg, Span authenticator_data, Span client_data,
				 Span signature)
{
	const uint8_t *bytes = (const uint8_t *) signature.data;
	size_t		length = signature.length;
	uint8_t		raw[ES256_LENGTH];
	uint8_t    *input;
	JoseStatus	status;

	if (alg == JOSE_ALG_ES256)
	{
		if (!convert_der(signature, raw))
			return JOSE_BAD_SIGNATURE;
		bytes = raw;
		length = sizeof(raw);
	}
	input = malloc(authenticator_data.length + CLIENT_DATA_HASH_LENGTH);
	if (input == NULL)
		return JOSE_FAILURE;
	memcpy(input, authenticator_data.data, authenticator_data.length);
	crypto_hash_sha256(input + authenticator_data.length, (const uint8_t *) client_data.data,
					   client_data.length);
	status = jose_verify(key, alg, input, authenticator_data.length + CLIENT_DATA_HASH_LENGTH,
						 bytes, length);
	free(input);
	return status;
}
