/*-------------------------------------------------------------------------
 *
 * key_rsa.c
 *	  RSA keys, RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 3.3, 3.5 and 6.3).
 *
 * A private key must bring its factors and CRT numbers: what RFC 7518 6.3.2
 * makes optional costs four times the signing time when it is missing.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "jose/key_internal.h"

#define RSA_GENERATED_BITS		2048

static bool
push_private(OSSL_PARAM_BLD *builder, const RsaMembers *members)
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
		(members->d == NULL || push_private(builder, members)))
		pkey = jose_pkey_build("RSA", builder, members->d != NULL);
	OSSL_PARAM_BLD_free(builder);
	return pkey;
}

/* Whether the private part undoes what the public part does. */
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
	JoseStatus	status = rsa_members_check_public(members);

	if (status == JOSE_OK && members->d != NULL)
		status = rsa_members_check_private(members);
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
	JoseStatus	status = rsa_members_from_jwk(&members, jwk, with_private);

	if (status == JOSE_OK)
		status = import_members(key, &members);
	rsa_members_free(&members);
	return status;
}

static JoseStatus
rsa_import_private(JoseKey *key, const JoseJwk *public_jwk,
				   const uint8_t *private_part, size_t length)
{
	RsaMembers	published = {0};
	RsaMembers	members = {0};
	JoseStatus	status = rsa_members_from_jwk(&published, public_jwk, false);

	if (status == JOSE_OK)
		status = rsa_members_from_der(&members, private_part, length);
	if (status == JOSE_OK &&
		(BN_cmp(published.n, members.n) != 0 || BN_cmp(published.e, members.e) != 0))
		status = JOSE_KEY_MISMATCH;
	if (status == JOSE_OK)
		status = import_members(key, &members);
	rsa_members_free(&published);
	rsa_members_free(&members);
	return status;
}

static JoseStatus
rsa_generate(JoseKey *key, JoseAlg alg)
{
	(void) alg;
	key->pkey = jose_pkey_new(EVP_RSA_gen(RSA_GENERATED_BITS));
	key->can_sign = key->pkey != NULL;
	return key->can_sign ? JOSE_OK : JOSE_FAILURE;
}

static bool
rsa_allows(const JoseKey *key, JoseAlg alg)
{
	(void) key;
	return jose_alg_info(alg)->key_type == JOSE_KEY_RSA;
}

static JoseAlg
rsa_default_alg(const JoseKey *key)
{
	(void) key;
	return JOSE_ALG_RS256;
}

static bool
write_number(JwkWriter *writer, EVP_PKEY *pkey, const char *name)
{
	uint8_t		bytes[JOSE_RSA_MAX_BITS / 8];
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
rsa_sign(const JoseKey *key, JoseAlg alg, const uint8_t *input, size_t input_length,
		 uint8_t *signature, size_t *signature_length)
{
	if (*signature_length < (size_t) EVP_PKEY_get_size(key->pkey->pkey))
		return JOSE_TOO_LARGE;
	return jose_pkey_sign(key->pkey, jose_alg_info(alg), input, input_length,
						  signature, signature_length);
}

static JoseStatus
rsa_verify(const JoseKey *key, JoseAlg alg, const uint8_t *input, size_t input_length,
		   const uint8_t *signature, size_t signature_length)
{
	if (signature_length != (size_t) EVP_PKEY_get_size(key->pkey->pkey))
		return JOSE_BAD_SIGNATURE;
	return jose_pkey_verify(key->pkey, jose_alg_info(alg), input, input_length,
							signature, signature_length);
}

const JoseKeyMethods jose_rsa_methods = {
	.kty = "RSA",
	.type = JOSE_KEY_RSA,
	.import = rsa_import,
	.import_private = rsa_import_private,
	.generate = rsa_generate,
	.allows = rsa_allows,
	.default_alg = rsa_default_alg,
	.write_public = rsa_write_public,
	.export_private = rsa_export_private,
	.sign = rsa_sign,
	.verify = rsa_verify
};
