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
JosePkey *
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
	return jose_pkey_new(pkey);
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

/*
 * The context of one operation of a key, made at first use and kept: looking
 * for the implementation takes as long as some signatures do.  OpenSSL allows
 * EVP_PKEY_sign() and EVP_PKEY_verify() to be called again on theirs.
 */
static EVP_PKEY_CTX *
get_context(JosePkey *pkey, bool verify, const JoseAlgInfo *info)
{
	JosePkeyContext *kept = verify ? &pkey->verify : &pkey->sign;
	const EVP_MD *md;
	EVP_PKEY_CTX *context;

	if (kept->context != NULL && kept->info == info)
		return kept->context;

	/* Without a hash a context would be for something else. */
	md = jose_hash_md(info->hash);
	context = md == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, pkey->pkey, NULL);
	if (context == NULL ||
		(verify ? EVP_PKEY_verify_init(context) : EVP_PKEY_sign_init(context)) <= 0 ||
		!set_padding(context, info) ||
		EVP_PKEY_CTX_set_signature_md(context, md) <= 0)
	{
		EVP_PKEY_CTX_free(context);
		return NULL;
	}
	EVP_PKEY_CTX_free(kept->context);
	kept->context = context;
	kept->info = info;
	return context;
}

static bool
hash(const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
	 uint8_t digest[EVP_MAX_MD_SIZE], size_t *digest_length)
{
	const EVP_MD *md = jose_hash_md(info->hash);
	unsigned int length;

	if (md == NULL || EVP_Digest(input, input_length, digest, &length, md, NULL) <= 0)
		return false;
	*digest_length = length;
	return true;
}

JosePkey *
jose_pkey_new(EVP_PKEY *pkey)
{
	JosePkey   *made = pkey == NULL ? NULL : OPENSSL_zalloc(sizeof(JosePkey));

	if (made == NULL)
		EVP_PKEY_free(pkey);
	else
		made->pkey = pkey;
	return made;
}

void
jose_pkey_free(JosePkey *pkey)
{
	if (pkey == NULL)
		return;
	EVP_PKEY_CTX_free(pkey->sign.context);
	EVP_PKEY_CTX_free(pkey->verify.context);
	EVP_PKEY_free(pkey->pkey);
	OPENSSL_free(pkey);
}

JoseStatus
jose_pkey_sign(JosePkey *pkey, const JoseAlgInfo *info,
			   const uint8_t *input, size_t input_length,
			   uint8_t *signature, size_t *signature_length)
{
	EVP_PKEY_CTX *context = get_context(pkey, false, info);
	uint8_t		digest[EVP_MAX_MD_SIZE];
	size_t		digest_length;

	return context != NULL && hash(info, input, input_length, digest, &digest_length) &&
		EVP_PKEY_sign(context, signature, signature_length, digest, digest_length) > 0 ?
		JOSE_OK : JOSE_FAILURE;
}

/*
 * OpenSSL answers 0 or less for a signature that is wrong and for one that
 * cannot be parsed alike, so neither is told from lack of memory.
 */
JoseStatus
jose_pkey_verify(JosePkey *pkey, const JoseAlgInfo *info,
				 const uint8_t *input, size_t input_length,
				 const uint8_t *signature, size_t signature_length)
{
	EVP_PKEY_CTX *context = get_context(pkey, true, info);
	uint8_t		digest[EVP_MAX_MD_SIZE];
	size_t		digest_length;

	if (context == NULL || !hash(info, input, input_length, digest, &digest_length))
		return JOSE_FAILURE;
	return EVP_PKEY_verify(context, signature, signature_length, digest, digest_length) == 1 ?
		JOSE_OK : JOSE_BAD_SIGNATURE;
}
