/*-------------------------------------------------------------------------
 *
 * rsa_members.c
 *	  The numbers of an RSA key: reading and judging them (RFC 7518 6.3).
 *
 * OpenSSL 3.0's own check of a key pair tests both primes at length, which
 * takes 35 ms for 2048 bits and seconds for 8192.  Here the equations between
 * the numbers are checked instead, and key_rsa.c has the key sign and verify
 * once, which all but surely fails if p or q is not prime.
 *
 *-------------------------------------------------------------------------
 */
#include <limits.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include "jose/key_internal.h"

#define RSA_MAX_BYTES		(JOSE_RSA_MAX_BITS / 8)

/*
 * A Base64urlUInt (RFC 7518 section 2): big-endian and as short as can be.
 * JOSE_TOO_LARGE says that it has more than max_bytes.
 */
static JoseStatus
read_uint(Span span, size_t max_bytes, BIGNUM **number)
{
	uint8_t		bytes[RSA_MAX_BYTES];
	size_t		length = max_bytes;
	JoseStatus	status = jwk_decode_member(span, bytes, &length);

	if (status == JOSE_OK && (length == 0 || bytes[0] == 0))
		status = JOSE_KEY_MALFORMED;
	if (status == JOSE_OK)
	{
		*number = BN_bin2bn(bytes, (int) length, NULL);
		if (*number == NULL)
			status = JOSE_FAILURE;
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return status;
}

/* The caller frees members, whatever the outcome. */
JoseStatus
rsa_members_from_jwk(RsaMembers *members, const JoseJwk *jwk, bool with_private)
{
	const Span spans[] = {jwk->d, jwk->p, jwk->q, jwk->dp, jwk->dq, jwk->qi};
	BIGNUM	  **numbers[] = {&members->d, &members->p, &members->q,
	&members->dp, &members->dq, &members->qi};
	JoseStatus	status;
	size_t		i;

	status = read_uint(jwk->n, RSA_MAX_BYTES, &members->n);
	if (status == JOSE_OK)
		status = read_uint(jwk->e, sizeof(uint64_t), &members->e);
	if (status == JOSE_TOO_LARGE)
		status = JOSE_KEY_WEAK;
	for (i = 0; with_private && status == JOSE_OK && i < sizeof(spans) / sizeof(spans[0]); i++)
		status = read_uint(spans[i], RSA_MAX_BYTES, numbers[i]);
	return status == JOSE_TOO_LARGE ? JOSE_KEY_MALFORMED : status;
}

/* The caller frees members, whatever the outcome. */
JoseStatus
rsa_members_from_der(RsaMembers *members, const uint8_t *der, size_t length)
{
	const unsigned char *next = der;
	EVP_PKEY   *pkey;
	bool		done;

	if (length > LONG_MAX)
		return JOSE_KEY_MALFORMED;
	pkey = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &next, (long) length);
	done = pkey != NULL && next == der + length && EVP_PKEY_is_a(pkey, "RSA") &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &members->n) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &members->e) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_D, &members->d) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &members->p) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, &members->q) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1, &members->dp) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2, &members->dq) &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &members->qi);
	EVP_PKEY_free(pkey);
	return done ? JOSE_OK : JOSE_KEY_MALFORMED;
}

JoseStatus
rsa_members_check_public(const RsaMembers *members)
{
	int			bits = BN_num_bits(members->n);

	if (bits < JOSE_RSA_MIN_BITS || bits > JOSE_RSA_MAX_BITS || !BN_is_odd(members->n))
		return JOSE_KEY_WEAK;
	if (!BN_is_odd(members->e) || BN_is_one(members->e) || BN_num_bits(members->e) > 64)
		return JOSE_KEY_WEAK;
	return JOSE_OK;
}

/* crt_exponent = d modulo (prime - 1), and it inverts e there. */
static bool
exponent_fits(const RsaMembers *members, const BIGNUM *prime,
			  const BIGNUM *crt_exponent, BN_CTX *context)
{
	BIGNUM	   *order;
	BIGNUM	   *result;
	bool		fits;

	BN_CTX_start(context);
	order = BN_CTX_get(context);
	result = BN_CTX_get(context);
	fits = result != NULL &&
		BN_sub(order, prime, BN_value_one()) &&
		BN_nnmod(result, members->d, order, context) &&
		BN_cmp(result, crt_exponent) == 0 &&
		BN_mod_mul(result, crt_exponent, members->e, order, context) &&
		BN_is_one(result);
	BN_CTX_end(context);
	return fits;
}

/* n = p * q, and qi inverts q modulo p. */
static bool
factors_fit(const RsaMembers *members, BN_CTX *context)
{
	BIGNUM	   *result;
	bool		fit;

	BN_CTX_start(context);
	result = BN_CTX_get(context);
	fit = result != NULL &&
		!BN_is_one(members->p) && !BN_is_one(members->q) &&
		BN_mul(result, members->p, members->q, context) &&
		BN_cmp(result, members->n) == 0 &&
		BN_cmp(members->qi, members->p) < 0 &&
		BN_mod_mul(result, members->qi, members->q, members->p, context) &&
		BN_is_one(result);
	BN_CTX_end(context);
	return fit;
}

JoseStatus
rsa_members_check_private(const RsaMembers *members)
{
	BN_CTX	   *context = BN_CTX_secure_new();
	bool		consistent;

	if (context == NULL)
		return JOSE_FAILURE;
	BN_set_flags(members->d, BN_FLG_CONSTTIME);
	BN_set_flags(members->p, BN_FLG_CONSTTIME);
	BN_set_flags(members->q, BN_FLG_CONSTTIME);
	consistent = BN_cmp(members->d, members->n) < 0 &&
		factors_fit(members, context) &&
		exponent_fits(members, members->p, members->dp, context) &&
		exponent_fits(members, members->q, members->dq, context);
	BN_CTX_free(context);
	return consistent ? JOSE_OK : JOSE_KEY_MISMATCH;
}

void
rsa_members_free(RsaMembers *members)
{
	BN_free(members->n);
	BN_free(members->e);
	BN_clear_free(members->d);
	BN_clear_free(members->p);
	BN_clear_free(members->q);
	BN_clear_free(members->dp);
	BN_clear_free(members->dq);
	BN_clear_free(members->qi);
}
