/*-------------------------------------------------------------------------
 *
 * pkey.c
 *	  OpenSSL's keys, as EC and RSA use them: building them, and hash-and-sign.
 *
 * Keys are built from their numbers rather than decoded from DER: OpenSSL 3.0
 * takes longer to find a decoder than to verify a signature.  The only DER is the
 * private part of RSA keys (key_rsa.c).
 *
 *-------------------------------------------------------------------------
 */
#include "jose/pkey.h"

#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "base/wipe.h"
#include "jose/hash.h"

/* OSSL_PARAM_free() does not wipe private numbers that are not in secure memory. */
static void
wipe_and_free_params(OSSL_PARAM *params)
{
	OSSL_PARAM *param;

	if (params == NULL)
		return;
	for (param = params; param->key != NULL; param++)
		wipe_bytes(param->data, param->data_size);
	OSSL_PARAM_free(params);
}

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
	wipe_and_free_params(params);
	return jose_pkey_new(pkey);
}

/*
 * RFC 7518 section 3.5 requires a salt as long as the hash.  OpenSSL takes
 * RSA_PSS_SALTLEN_DIGEST to mean exactly that length, also when it verifies.
 * MGF1 uses the hash of the message by default, as section 3.5 demands.
 */
static bool
set_padding(EVP_PKEY_CTX *context, const JoseAlgInfo *info)
{
	if (info->key_type != JOSE_KEY_RSA)
		return true;
	if (info->scheme == JOSE_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/*
 * Return the context of an operation.  It is made at first use and kept, because
 * finding the implementation takes as long as some signatures.  OpenSSL allows
 * several calls of EVP_PKEY_sign() or EVP_PKEY_verify() with one context.
 */
static EVP_PKEY_CTX *
get_context(JosePkey *pkey, bool verify, const JoseAlgInfo *info)
{
	JosePkeyContext *kept = verify ? &pkey->verify : &pkey->sign;
	const EVP_MD *md;
	EVP_PKEY_CTX *context;

	if (kept->context != NULL && kept->info == info)
		return kept->context;

	/* Without a hash the context would sign the digest in another format. */
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
hash_input(const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
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

	return context != NULL && hash_input(info, input, input_length, digest, &digest_length) &&
		EVP_PKEY_sign(context, signature, signature_length, digest, digest_length) > 0 ?
		JOSE_OK : JOSE_FAILURE;
}

/*
 * OpenSSL returns 0 or less for a wrong signature, for one that it cannot parse
 * and for lack of memory alike.  All three are JOSE_BAD_SIGNATURE here.
 */
JoseStatus
jose_pkey_verify(JosePkey *pkey, const JoseAlgInfo *info,
				 const uint8_t *input, size_t input_length,
				 const uint8_t *signature, size_t signature_length)
{
	EVP_PKEY_CTX *context = get_context(pkey, true, info);
	uint8_t		digest[EVP_MAX_MD_SIZE];
	size_t		digest_length;

	if (context == NULL || !hash_input(info, input, input_length, digest, &digest_length))
		return JOSE_FAILURE;
	return EVP_PKEY_verify(context, signature, signature_length, digest, digest_length) == 1 ?
		JOSE_OK : JOSE_BAD_SIGNATURE;
}
