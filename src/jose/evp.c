/*-------------------------------------------------------------------------
 *
 * evp.c
 *	  What EC and RSA keys have in common: building an EVP_PKEY from its
 *	  numbers, and hash-and-sign.
 *
 * Keys are never decoded from PEM or DER where it can be avoided: OpenSSL 3.0
 * takes longer to find the right decoder than to verify a signature.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "jose/key_internal.h"

/* OSSL_PARAM_free() alone leaves private numbers in freed memory. */
static void
wipe_params(OSSL_PARAM *params)
{
	OSSL_PARAM *param;

	if (params == NULL)
		return;
	for (param = params; param->key != NULL; param++)
		OPENSSL_cleanse(param->data, param->data_size);
	OSSL_PARAM_free(params);
}

/* NULL if the numbers are no key of that type, or on failure. */
EVP_PKEY *
jose_pkey_build(const char *type, OSSL_PARAM_BLD *builder, bool is_private)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY   *pkey = NULL;

	if (params == NULL || context == NULL ||
		EVP_PKEY_fromdata_init(context) <= 0 ||
		EVP_PKEY_fromdata(context, &pkey,
						  is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
						  params) <= 0)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}

	EVP_PKEY_CTX_free(context);
	wipe_params(params);
	return pkey;
}

/*
 * RFC 7518 section 3.5 fixes the salt to the length of the hash.  To OpenSSL
 * RSA_PSS_SALTLEN_DIGEST means exactly that for verifying too, and MGF1 takes
 * the hash of the message unless told otherwise.
 */
static bool
set_padding(EVP_PKEY_CTX *context, const JoseAlgInfo *info)
{
	if (info->key_type != JOSE_KEY_RSA)
		return true;
	if (!info->pss)
		return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

JoseStatus
jose_pkey_sign(EVP_PKEY *pkey, const JoseAlgInfo *info,
			   const uint8_t *input, size_t input_length,
			   uint8_t *signature, size_t *signature_length)
{
	const EVP_MD *md = jose_hash_md(info->hash);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;	/* belongs to context */
	bool		done;

	done = md != NULL && context != NULL &&
		EVP_DigestSignInit(context, &parameters, md, NULL, pkey) > 0 &&
		set_padding(parameters, info) &&
		EVP_DigestSign(context, signature, signature_length, input, input_length) > 0;

	EVP_MD_CTX_free(context);
	return done ? JOSE_OK : JOSE_FAILURE;
}

JoseStatus
jose_pkey_verify(EVP_PKEY *pkey, const JoseAlgInfo *info,
				 const uint8_t *input, size_t input_length,
				 const uint8_t *signature, size_t signature_length)
{
	const EVP_MD *md = jose_hash_md(info->hash);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;	/* belongs to context */
	JoseStatus	status = JOSE_FAILURE;

	/*
	 * OpenSSL answers 0 or less for a signature that is wrong and for one
	 * that cannot be parsed alike, so neither is told from lack of memory.
	 */
	if (md != NULL && context != NULL &&
		EVP_DigestVerifyInit(context, &parameters, md, NULL, pkey) > 0 &&
		set_padding(parameters, info))
		status = EVP_DigestVerify(context, signature, signature_length,
								  input, input_length) == 1 ?
			JOSE_OK : JOSE_BAD_SIGNATURE;

	EVP_MD_CTX_free(context);
	return status;
}
