/*-------------------------------------------------------------------------
 *
 * key_internal.h
 *	  What the files of src/jose share with one another and with nobody else.
 *
 * Every key type is one file that fills in a JoseKeyMethods; key.c and jws.c
 * hold the checks that are common to all types and then call through it.
 * Methods may leave errors in OpenSSL's queue: their callers clear it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JOSE_KEY_INTERNAL_H
#define ANON_AUTH_JOSE_KEY_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>

#include "jose/jose.h"

/* Field width of P-521, the largest curve. */
#define JOSE_EC_MAX_WIDTH		66

/* Longest secret of a symmetric key; RFC 7518 sets no limit. */
#define JOSE_OCT_MAX_LENGTH		1024

typedef enum JoseKeyType
{
	JOSE_KEY_EC,
	JOSE_KEY_RSA,
	JOSE_KEY_OKP,
	JOSE_KEY_OCT
} JoseKeyType;

typedef enum JoseHash
{
	JOSE_SHA256,
	JOSE_SHA384,
	JOSE_SHA512
} JoseHash;

#define JOSE_HASH_COUNT			3

typedef struct JoseAlgInfo
{
	const char *name;
	JoseKeyType key_type;
	JoseHash	hash;
	bool		pss;			/* RSASSA-PSS rather than PKCS#1 v1.5 */
} JoseAlgInfo;

typedef struct JoseCurve
{
	const char *name;			/* both the JWK's crv and OpenSSL's group */
	JoseAlg		alg;
	size_t		width;			/* bytes of a coordinate, a scalar, r or s */
} JoseCurve;

typedef struct JosePkeyContext
{
	EVP_PKEY_CTX *context;		/* NULL until it is needed */
	const JoseAlgInfo *info;	/* the algorithm that it is set up for */
} JosePkeyContext;

/* OpenSSL's key, and what its operations need every time. */
typedef struct JosePkey
{
	EVP_PKEY   *pkey;
	JosePkeyContext sign;
	JosePkeyContext verify;
} JosePkey;

typedef struct JoseKeyMethods JoseKeyMethods;

struct JoseKey
{
	const JoseKeyMethods *methods;
	bool		can_sign;

	JosePkey   *pkey;			/* EC and RSA */

	union
	{
		struct
		{
			const JoseCurve *curve;
			uint8_t		point[1 + 2 * JOSE_EC_MAX_WIDTH];	/* 4, x, y */
		}			ec;
		struct
		{
			uint8_t		public_key[crypto_sign_PUBLICKEYBYTES];
			uint8_t		secret_key[crypto_sign_SECRETKEYBYTES];
		}			okp;
		struct
		{
			uint8_t		secret[JOSE_OCT_MAX_LENGTH];
			size_t		length;
			EVP_MAC_CTX *mac[JOSE_HASH_COUNT];	/* keyed; NULL if too short */
		}			oct;
	}			u;
};

/* Appends the text of a JWK; overflow is looked at once, at the end. */
typedef struct JwkWriter
{
	char	   *next;
	size_t		left;
	bool		overflow;
} JwkWriter;

/*
 * sign and verify are called with an algorithm that the key allows, and sign
 * and export_private with keys that can sign only.  On failure of an import
 * or of generate the caller frees the key.
 */
struct JoseKeyMethods
{
	const char *kty;
	JoseKeyType type;
	JoseStatus	(*import) (JoseKey *key, const JoseJwk *jwk);
	JoseStatus	(*import_private) (JoseKey *key, const JoseJwk *public_jwk,
								   const uint8_t *private_part, size_t length);
	JoseStatus	(*generate) (JoseKey *key, JoseAlg alg);
	void		(*release) (JoseKey *key);	/* NULL if pkey is all it holds */
	bool		(*allows) (const JoseKey *key, JoseAlg alg);
	JoseAlg		(*default_alg) (const JoseKey *key);
	JoseStatus	(*write_public) (const JoseKey *key, JwkWriter *writer);
	JoseStatus	(*export_private) (const JoseKey *key, uint8_t *buffer, size_t *length);
	JoseStatus	(*sign) (const JoseKey *key, JoseAlg alg,
						 const uint8_t *input, size_t input_length,
						 uint8_t *signature, size_t *signature_length);
	JoseStatus	(*verify) (const JoseKey *key, JoseAlg alg,
						   const uint8_t *input, size_t input_length,
						   const uint8_t *signature, size_t signature_length);
};

extern const JoseKeyMethods jose_ec_methods;
extern const JoseKeyMethods jose_rsa_methods;
extern const JoseKeyMethods jose_okp_methods;
extern const JoseKeyMethods jose_oct_methods;

/* jwa.c */
extern const JoseAlgInfo *jose_alg_info(JoseAlg alg);	/* NULL if unknown */
extern const EVP_MD *jose_hash_md(JoseHash hash);	/* NULL if it cannot be had */
extern const char *jose_hash_name(JoseHash hash);
extern size_t jose_hash_length(JoseHash hash);

/* jwk_members.c */
extern JoseStatus jwk_decode_member(Span span, uint8_t *dst, size_t *dst_length);
extern JoseStatus jwk_decode_member_exactly(Span span, uint8_t *dst, size_t width);
extern void jwk_write_text(JwkWriter *writer, const char *text);
extern void jwk_write_base64url(JwkWriter *writer, const uint8_t *src, size_t length);

/* evp.c */
extern JosePkey *jose_pkey_build(const char *type, OSSL_PARAM_BLD *builder, bool is_private);
extern JosePkey *jose_pkey_new(EVP_PKEY *pkey); /* takes it over; NULL if it is, or on failure */
extern void jose_pkey_free(JosePkey *pkey);
extern JoseStatus jose_pkey_sign(JosePkey *pkey, const JoseAlgInfo *info,
								 const uint8_t *input, size_t input_length,
								 uint8_t *signature, size_t *signature_length);
extern JoseStatus jose_pkey_verify(JosePkey *pkey, const JoseAlgInfo *info,
								   const uint8_t *input, size_t input_length,
								   const uint8_t *signature, size_t signature_length);

/* rsa_members.c */
typedef struct RsaMembers
{
	BIGNUM	   *n;
	BIGNUM	   *e;
	BIGNUM	   *d;				/* this and the rest: NULL in a public key */
	BIGNUM	   *p;
	BIGNUM	   *q;
	BIGNUM	   *dp;
	BIGNUM	   *dq;
	BIGNUM	   *qi;
} RsaMembers;

extern JoseStatus rsa_members_from_jwk(RsaMembers *members, const JoseJwk *jwk, bool with_private);
extern JoseStatus rsa_members_from_der(RsaMembers *members, const uint8_t *der, size_t length);
extern JoseStatus rsa_members_check_public(const RsaMembers *members);
extern JoseStatus rsa_members_check_private(const RsaMembers *members);
extern void rsa_members_free(RsaMembers *members);

#endif							/* ANON_AUTH_JOSE_KEY_INTERNAL_H */
