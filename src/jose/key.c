/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Keys of any type: import, generation, export, thumbprint.
 *
 * These functions choose the key type and call its methods (key_methods.h).
 *
 *-------------------------------------------------------------------------
 */
#include "jose/key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/wipe.h"
#include "jose/hash.h"
#include "jose/key_methods.h"

static const JoseKeyMethods *const key_types[] = {
	[JOSE_KEY_EC] = &jose_ec_methods,
	[JOSE_KEY_RSA] = &jose_rsa_methods,
	[JOSE_KEY_OKP] = &jose_okp_methods,
	[JOSE_KEY_OCT] = &jose_oct_methods
};

#define KEY_TYPE_COUNT (sizeof(key_types) / sizeof(key_types[0]))

/* Find the key type of a "kty" (RFC 7518 section 6.1). */
static JoseStatus
methods_by_kty(Span kty, const JoseKeyMethods **methods)
{
	size_t		i;

	if (kty.data == NULL)
		return JOSE_KEY_INCOMPLETE;
	for (i = 0; i < KEY_TYPE_COUNT; i++)
	{
		if (span_equals(kty, key_types[i]->kty))
		{
			*methods = key_types[i];
			return JOSE_OK;
		}
	}
	return JOSE_KEY_UNSUPPORTED;
}

static JoseKey *
key_alloc(const JoseKeyMethods *methods)
{
	JoseKey    *key = OPENSSL_zalloc(sizeof(JoseKey));

	if (key != NULL)
		key->methods = methods;
	return key;
}

/* Hand the key over on success, else free it. */
static JoseStatus
key_finish(JoseStatus status, JoseKey *key, JoseKey **result)
{
	/* OpenSSL can leave errors in its queue even when it succeeds. */
	ERR_clear_error();
	if (status == JOSE_OK)
		*result = key;
	else
		jose_key_free(key);
	return status;
}

JoseStatus
jose_key_import(const JoseJwk *jwk, JoseKey **key)
{
	const JoseKeyMethods *methods;
	JoseKey    *made;
	JoseStatus	status;

	*key = NULL;
	status = methods_by_kty(jwk->kty, &methods);
	if (status != JOSE_OK)
		return status;
	made = key_alloc(methods);
	if (made == NULL)
		return JOSE_FAILURE;
	return key_finish(methods->import(made, jwk), made, key);
}

JoseStatus
jose_key_import_private(const JoseJwk *public_jwk, const uint8_t *private_part,
						size_t length, JoseKey **key)
{
	const JoseKeyMethods *methods;
	JoseKey    *made;
	JoseStatus	status;

	*key = NULL;
	status = methods_by_kty(public_jwk->kty, &methods);
	if (status != JOSE_OK)
		return status;
	made = key_alloc(methods);
	if (made == NULL)
		return JOSE_FAILURE;
	status = methods->import_private(made, public_jwk, private_part, length);
	return key_finish(status, made, key);
}

JoseStatus
jose_key_generate(JoseAlg alg, JoseKey **key)
{
	const JoseAlgInfo *info = jose_alg_info(alg);
	JoseKey    *made;

	*key = NULL;
	if (info == NULL)
		return JOSE_ALG_UNSUPPORTED;
	made = key_alloc(key_types[info->key_type]);
	if (made == NULL)
		return JOSE_FAILURE;
	return key_finish(made->methods->generate(made, info), made, key);
}

void
jose_key_free(JoseKey *key)
{
	if (key == NULL)
		return;
	if (key->methods->release != NULL)
		key->methods->release(key);
	jose_pkey_free(key->pkey);
	OPENSSL_clear_free(key, sizeof(JoseKey));
}

bool
jose_key_can_sign(const JoseKey *key)
{
	return key->can_sign;
}

bool
jose_key_is_symmetric(const JoseKey *key)
{
	return key->methods->type == JOSE_KEY_OCT;
}

bool
jose_key_allows(const JoseKey *key, JoseAlg alg)
{
	const JoseAlgInfo *info = jose_alg_info(alg);

	return info != NULL && info->key_type == key->methods->type &&
		key->methods->allows(key, info);
}

JoseAlg
jose_key_default_alg(const JoseKey *key)
{
	int			alg = JOSE_ALG_UNKNOWN + 1;

	/* Each key type has an algorithm that all of its keys allow, on their curve. */
	while (alg < JOSE_ALG_END && !jose_key_allows(key, (JoseAlg) alg))
		alg++;
	return alg < JOSE_ALG_END ? (JoseAlg) alg : JOSE_ALG_UNKNOWN;
}

JoseStatus
jose_key_public_jwk(const JoseKey *key, char *buffer, size_t *length)
{
	JwkWriter	writer = {buffer, *length, false};
	JoseStatus	status = key->methods->write_public(key, &writer);

	*length = 0;
	if (status != JOSE_OK)
	{
		ERR_clear_error();
		return status;
	}
	if (writer.overflow)
		return JOSE_TOO_LARGE;
	*length = (size_t) (writer.next - buffer);
	return JOSE_OK;
}

JoseStatus
jose_key_thumbprint(const JoseKey *key, uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH])
{
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH];
	size_t		length = sizeof(jwk);
	const EVP_MD *sha256 = jose_hash_md(JOSE_SHA256);
	JoseStatus	status = jose_key_public_jwk(key, jwk, &length);

	if (status == JOSE_OK &&
		(sha256 == NULL || !EVP_Digest(jwk, length, thumbprint, NULL, sha256, NULL)))
	{
		ERR_clear_error();
		status = JOSE_FAILURE;
	}

	/* The JWK of a symmetric key contains its secret. */
	wipe_bytes(jwk, sizeof(jwk));
	return status;
}

JoseStatus
jose_key_export_private(const JoseKey *key, uint8_t *buffer, size_t *length)
{
	JoseStatus	status = JOSE_KEY_NOT_PRIVATE;

	if (key->can_sign)
		status = key->methods->export_private(key, buffer, length);
	if (status != JOSE_OK)
	{
		*length = 0;
		ERR_clear_error();
	}
	return status;
}
