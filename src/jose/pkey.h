/*-------------------------------------------------------------------------
 *
 * pkey.h
 *	  OpenSSL's keys, as EC and RSA use them: building them, and hash-and-sign.
 *
 * Only for the files of src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PKEY_H
#define ANON_AUTH_PKEY_H

#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "jose/jose_status.h"
#include "jose/jwa.h"

/* The context of one operation, kept from one use to the next. */
typedef struct JosePkeyContext
{
	EVP_PKEY_CTX *context;		/* NULL: not used yet */
	const JoseAlgInfo *info;	/* the algorithm that it is set up for */
} JosePkeyContext;

typedef struct JosePkey
{
	EVP_PKEY   *pkey;
	JosePkeyContext sign;
	JosePkeyContext verify;
} JosePkey;

/*
 * Build a key of a type ("EC", "RSA") from its numbers and wipe the builder's
 * copy of them.  Returns NULL if the numbers are not a key, or on failure.
 */
extern JosePkey *jose_pkey_build(const char *type, OSSL_PARAM_BLD *builder, bool is_private);

/*
 * Take ownership of a key, also on failure.  Returns NULL if pkey is NULL, or if
 * memory is short.
 */
extern JosePkey *jose_pkey_new(EVP_PKEY *pkey);

/* NULL is allowed. */
extern void jose_pkey_free(JosePkey *pkey);

/*
 * Hash an input and sign the hash, or verify the signature of the hash.  EC
 * signatures are in DER here.  *signature_length is the size of the buffer on
 * entry.
 */
extern JoseStatus jose_pkey_sign(JosePkey *pkey, const JoseAlgInfo *info,
								 const uint8_t *input, size_t input_length,
								 uint8_t *signature, size_t *signature_length);
extern JoseStatus jose_pkey_verify(JosePkey *pkey, const JoseAlgInfo *info,
								   const uint8_t *input, size_t input_length,
								   const uint8_t *signature, size_t signature_length);

#endif							/* ANON_AUTH_PKEY_H */
