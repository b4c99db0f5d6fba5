/*-------------------------------------------------------------------------
 *
 * key_methods.h
 *	  What a key type implements.
 *
 * Only for the files of src/jose.  Each key type is one file, key_*.c, that
 * fills in a JoseKeyMethods.  key.c and jws.c do the checks that are common to
 * all types and then call a method.  Methods may leave errors in OpenSSL's
 * queue; their callers clear it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEY_METHODS_H
#define ANON_AUTH_KEY_METHODS_H

#include <sodium.h>

#include "base/limits.h"
#include "jose/key.h"
#include "jose/pkey.h"

/* Bytes of a coordinate on P-521, the largest curve. */
#define JOSE_EC_MAX_WIDTH		66

typedef struct JoseCurve
{
	const char *name;			/* in "crv", and in OpenSSL */
	JoseScheme	scheme;
	size_t		width;			/* bytes of a coordinate, a scalar, r or s */
} JoseCurve;

typedef struct JoseKeyMethods JoseKeyMethods;

struct JoseKey
{
	const JoseKeyMethods *methods;
	bool		can_sign;

	JosePkey   *pkey;			/* EC and RSA; else NULL */

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
			EVP_MAC_CTX *mac[JOSE_HASHES];	/* keyed; NULL: too short a secret */
		}			oct;
	}			u;
};

/*
 * allows, generate, sign and verify are called with an algorithm of the key's
 * type only; sign and verify with one that allows has accepted.  sign and
 * export_private are called for keys with can_sign only.
 *
 * import, import_private and generate get a zeroed key and set can_sign.  If
 * they fail, the caller frees the key.
 */
struct JoseKeyMethods
{
	const char *kty;
	JoseKeyType type;
	JoseStatus	(*import) (JoseKey *key, const JoseJwk *jwk);
	JoseStatus	(*import_private) (JoseKey *key, const JoseJwk *public_jwk,
								   const uint8_t *private_part, size_t length);
	JoseStatus	(*generate) (JoseKey *key, const JoseAlgInfo *info);
	void		(*release) (JoseKey *key);	/* NULL if the key holds no more than pkey */
	bool		(*allows) (const JoseKey *key, const JoseAlgInfo *info);
	JoseStatus	(*write_public) (const JoseKey *key, JwkWriter *writer);
	JoseStatus	(*export_private) (const JoseKey *key, uint8_t *buffer, size_t *length);
	JoseStatus	(*sign) (const JoseKey *key, const JoseAlgInfo *info,
						 const uint8_t *input, size_t input_length,
						 uint8_t *signature, size_t *signature_length);
	JoseStatus	(*verify) (const JoseKey *key, const JoseAlgInfo *info,
						   const uint8_t *input, size_t input_length,
						   const uint8_t *signature, size_t signature_length);
};

extern const JoseKeyMethods jose_ec_methods;
extern const JoseKeyMethods jose_rsa_methods;
extern const JoseKeyMethods jose_okp_methods;
extern const JoseKeyMethods jose_oct_methods;

#endif							/* ANON_AUTH_KEY_METHODS_H */
