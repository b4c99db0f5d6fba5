/*-------------------------------------------------------------------------
 *
 * key_rsa.c
 *	  RSA keys, RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3, 3.5
 *	  and 6.3).
 *
 * A private key must have its factors and CRT numbers.  RFC 7518 section 6.3.2
 * makes them optional, but without them signing takes four times as long.
 *
 * OpenSSL 3.0's check of a key pair tests both primes thoroughly, which takes
 * 35 ms for 2048 bits and seconds for 8192.  Instead, this file checks the
 * equations between the numbers and signs and verifies once.  If p or q is not
 * prime, that fails with overwhelming probability.
 *
 *-------------------------------------------------------------------------
 */
#include <limits.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "base/wipe.h"
#include "jose/jws.h"
#include "jose/key_methods.h"

#define RSA_GENERATED_BITS	2048
#define RSA_MAX_BYTES		(JOSE_RSA_MAX_BITS / 8)

/*
 * The numbers of a key, by their names in a JWK.  Zero it first and free it with
 * free_members(), whatever reading it returned.
 */
typedef struct RsaMembers
{
	BIGNUM	   *n;
	BIGNUM	   *e;
	BIGNUM	   *d;				/* this and the following: NULL in a public key */
	BIGNUM	   *p;
	BIGNUM	   *q;
	BIGNUM	   *dp;
	BIGNUM	   *dq;
	BIGNUM	   *qi;
} RsaMembers;

/*
 * Read a Base64urlUInt (RFC 7518 section 2): big-endian without leading zeros.
 * Returns JOSE_TOO_LARGE if it has more than max_bytes.
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
	wipe_bytes(bytes, sizeof(bytes));
	return status;
}

static JoseStatus
read_members_of_jwk(RsaMembers *members, const JoseJwk *jwk, bool with_private)
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

/* Read the result of rsa_export_private(). */
static JoseStatus
read_members_of_der(RsaMembers *members, const uint8_t *der, size_t length)
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

/* Sizes that are too small are insecure; sizes that are too large cost time. */
static JoseStatus
check_public_members(const RsaMembers *members)
{
	int			bits = BN_num_bits(members->n);

	if (bits < JOSE_RSA_MIN_BITS || bits > JOSE_RSA_MAX_BITS || !BN_is_odd(members->n))
		return JOSE_KEY_WEAK;
	if (!BN_is_odd(members->e) || BN_is_one(members->e) || BN_num_bits(members->e) > 64)
		return JOSE_KEY_WEAK;
	return JOSE_OK;
}

/* Check that crt_exponent is d modulo (prime - 1), and inverts e there. */
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

/* Check that n = p * q, and that qi inverts q modulo p. */
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

static JoseStatus
check_private_members(const RsaMembers *members)
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

static void
free_members(RsaMembers *members)
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

static bool
push_private_members(OSSL_PARAM_BLD *builder, const RsaMembers *members)
{
	return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, members->d) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR1, members->p) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR2, members->q) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, members->dp) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, members->dq) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, members->qi);
}

static JosePkey *
build_pkey(const RsaMembers *members)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	JosePkey   *pkey = NULL;

	if (builder != NULL &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, members->n) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, members->e) &&
		(members->d == NULL || push_private_members(builder, members)))
		pkey = jose_pkey_build("RSA", builder, members->d != NULL);
	OSSL_PARAM_BLD_free(builder);
	return pkey;
}

/* Check that the public part verifies a signature of the private part. */
static JoseStatus
check_round_trip(JosePkey *pkey)
{
	static const uint8_t message[] = "round trip";
	const JoseAlgInfo *info = jose_alg_info(JOSE_ALG_RS256);
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);

	if (jose_pkey_sign(pkey, info, message, sizeof(message), signature, &length) != JOSE_OK ||
		jose_pkey_verify(pkey, info, message, sizeof(message), signature, length) != JOSE_OK)
		return JOSE_KEY_MISMATCH;
	return JOSE_OK;
}

static JoseStatus
import_members(JoseKey *key, const RsaMembers *members)
{
	JoseStatus	status = check_public_members(members);

	if (status == JOSE_OK && members->d != NULL)
		status = check_private_members(members);
	if (status != JOSE_OK)
		return status;

	key->pkey = build_pkey(members);
	if (key->pkey == NULL)
		return JOSE_FAILURE;
	if (members->d == NULL)
		return JOSE_OK;
	status = check_round_trip(key->pkey);
	key->can_sign = status == JOSE_OK;
	return status;
}

static JoseStatus
rsa_import(JoseKey *key, const JoseJwk *jwk)
{
	RsaMembers	members = {0};
	bool		with_private = jwk->d.data != NULL || jwk->p.data != NULL ||
		jwk->q.data != NULL || jwk->dp.data != NULL || jwk->dq.data != NULL ||
		jwk->qi.data != NULL;
	JoseStatus	status = read_members_of_jwk(&members, jwk, with_private);

	if (status == JOSE_OK)
		status = import_members(key, &members);
	free_members(&members);
	return status;
}

static JoseStatus
rsa_import_private(JoseKey *key, const JoseJwk *public_jwk,
				   const uint8_t *private_part, size_t length)
{
	RsaMembers	published = {0};
	RsaMembers	members = {0};
	JoseStatus	status = read_members_of_jwk(&published, public_jwk, false);

	if (status == JOSE_OK)
		status = read_members_of_der(&members, private_part, length);
	if (status == JOSE_OK &&
		(BN_cmp(published.n, members.n) != 0 || BN_cmp(published.e, members.e) != 0))
		status = JOSE_KEY_MISMATCH;
	if (status == JOSE_OK)
		status = import_members(key, &members);
	free_members(&published);
	free_members(&members);
	return status;
}

static JoseStatus
rsa_generate(JoseKey *key, const JoseAlgInfo *info)
{
	(void) info;
	key->pkey = jose_pkey_new(EVP_RSA_gen(RSA_GENERATED_BITS));
	key->can_sign = key->pkey != NULL;
	return key->can_sign ? JOSE_OK : JOSE_FAILURE;
}

static bool
rsa_allows(const JoseKey *key, const JoseAlgInfo *info)
{
	(void) key;
	(void) info;
	return true;
}

/* Write a number of the public key in base64url. */
static bool
write_number(JwkWriter *writer, EVP_PKEY *pkey, const char *name)
{
	uint8_t		bytes[RSA_MAX_BYTES];
	BIGNUM	   *number = NULL;
	bool		done;

	done = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
		BN_num_bytes(number) <= (int) sizeof(bytes);
	if (done)
		jwk_write_base64url(writer, bytes, (size_t) BN_bn2bin(number, bytes));
	BN_free(number);
	return done;
}

static JoseStatus
rsa_write_public(const JoseKey *key, JwkWriter *writer)
{
	jwk_write_text(writer, "{\"e\":\"");
	if (!write_number(writer, key->pkey->pkey, OSSL_PKEY_PARAM_RSA_E))
		return JOSE_FAILURE;
	jwk_write_text(writer, "\",\"kty\":\"RSA\",\"n\":\"");
	if (!write_number(writer, key->pkey->pkey, OSSL_PKEY_PARAM_RSA_N))
		return JOSE_FAILURE;
	jwk_write_text(writer, "\"}");
	return JOSE_OK;
}

static JoseStatus
rsa_export_private(const JoseKey *key, uint8_t *buffer, size_t *length)
{
	unsigned char *der = NULL;
	int			der_length = i2d_PrivateKey(key->pkey->pkey, &der);
	JoseStatus	status = JOSE_OK;

	if (der_length <= 0)
		return JOSE_FAILURE;
	if (*length < (size_t) der_length)
		status = JOSE_TOO_LARGE;
	else
	{
		memcpy(buffer, der, (size_t) der_length);
		*length = (size_t) der_length;
	}
	OPENSSL_clear_free(der, (size_t) der_length);
	return status;
}

static JoseStatus
rsa_sign(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		 uint8_t *signature, size_t *signature_length)
{
	if (*signature_length < (size_t) EVP_PKEY_get_size(key->pkey->pkey))
		return JOSE_TOO_LARGE;
	return jose_pkey_sign(key->pkey, info, input, input_length,
						  signature, signature_length);
}

static JoseStatus
rsa_verify(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		   const uint8_t *signature, size_t signature_length)
{
	if (signature_length != (size_t) EVP_PKEY_get_size(key->pkey->pkey))
		return JOSE_BAD_SIGNATURE;
	return jose_pkey_verify(key->pkey, info, input, input_length,
							signature, signature_length);
}

const JoseKeyMethods jose_rsa_methods = {
	.kty = "RSA",
	.type = JOSE_KEY_RSA,
	.import = rsa_import,
	.import_private = rsa_import_private,
	.generate = rsa_generate,
	.allows = rsa_allows,
	.write_public = rsa_write_public,
	.export_private = rsa_export_private,
	.sign = rsa_sign,
	.verify = rsa_verify
};
