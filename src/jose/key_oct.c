/*-------------------------------------------------------------------------
 *
 * key_oct.c
 *	  Symmetric keys and HMAC (RFC 7518 sections 3.2 and 6.4).
 *
 * Section 3.2 demands a secret at least as long as the hash.  For each hash that
 * the secret is long enough for, a keyed context is made at import.  Every use
 * copies the context, so that the key does not change.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/wipe.h"
#include "jose/hash.h"
#include "jose/key_methods.h"

/* Fetched once per process, as the hashes in hash.c. */
static EVP_MAC *
hmac_fetch(void)
{
	static EVP_MAC *fetched;

	if (fetched == NULL)
		fetched = EVP_MAC_fetch(NULL, "HMAC", NULL);
	return fetched;
}

/* Make a keyed context, or return NULL on failure. */
static EVP_MAC_CTX *
hmac_keyed(JoseHash hash, const uint8_t *secret, size_t length)
{
	EVP_MAC    *hmac = hmac_fetch();
	EVP_MAC_CTX *context = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	OSSL_PARAM	params[2];

	/* OpenSSL declares the value as char *, but does not change it. */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
												 (char *) jose_hash_name(hash), 0);
	params[1] = OSSL_PARAM_construct_end();
	if (context != NULL && !EVP_MAC_init(context, secret, length, params))
	{
		EVP_MAC_CTX_free(context);
		return NULL;
	}
	return context;
}

/* Complete a key whose secret is in u.oct.secret already. */
static JoseStatus
oct_complete(JoseKey *key, size_t length)
{
	int			hash;

	if (length < jose_hash_length(JOSE_SHA256))
		return JOSE_KEY_WEAK;
	key->u.oct.length = length;
	key->can_sign = true;
	for (hash = 0; hash < JOSE_HASHES; hash++)
	{
		if (length < jose_hash_length((JoseHash) hash))
			continue;
		key->u.oct.mac[hash] = hmac_keyed((JoseHash) hash, key->u.oct.secret, length);
		if (key->u.oct.mac[hash] == NULL)
			return JOSE_FAILURE;
	}
	return JOSE_OK;
}

static JoseStatus
oct_import(JoseKey *key, const JoseJwk *jwk)
{
	size_t		length = sizeof(key->u.oct.secret);
	JoseStatus	status = jwk_decode_member(jwk->k, key->u.oct.secret, &length);

	if (status == JOSE_TOO_LARGE)
		return JOSE_KEY_MALFORMED;
	return status == JOSE_OK ? oct_complete(key, length) : status;
}

/*
 * The public JWK that we store of a symmetric key has only "kty".  If it has a
 * "k", that must be the same secret.
 */
static JoseStatus
oct_import_private(JoseKey *key, const JoseJwk *public_jwk,
				   const uint8_t *private_part, size_t length)
{
	JoseStatus	status;

	if (public_jwk->k.data != NULL)
	{
		status = oct_import(key, public_jwk);
		if (status != JOSE_OK)
			return status;
		return key->u.oct.length == length &&
			sodium_memcmp(key->u.oct.secret, private_part, length) == 0 ?
			JOSE_OK : JOSE_KEY_MISMATCH;
	}
	if (length > sizeof(key->u.oct.secret))
		return JOSE_KEY_MALFORMED;
	if (length > 0)
		memcpy(key->u.oct.secret, private_part, length);
	return oct_complete(key, length);
}

static JoseStatus
oct_generate(JoseKey *key, const JoseAlgInfo *info)
{
	size_t		length = jose_hash_length(info->hash);

	if (RAND_priv_bytes(key->u.oct.secret, (int) length) != 1)
		return JOSE_FAILURE;
	return oct_complete(key, length);
}

static void
oct_release(JoseKey *key)
{
	int			hash;

	for (hash = 0; hash < JOSE_HASHES; hash++)
		EVP_MAC_CTX_free(key->u.oct.mac[hash]);
}

static bool
oct_allows(const JoseKey *key, const JoseAlgInfo *info)
{
	return key->u.oct.mac[info->hash] != NULL;
}

static JoseStatus
oct_write_public(const JoseKey *key, JwkWriter *writer)
{
	jwk_write_text(writer, "{\"k\":\"");
	jwk_write_base64url(writer, key->u.oct.secret, key->u.oct.length);
	jwk_write_text(writer, "\",\"kty\":\"oct\"}");
	return JOSE_OK;
}

static JoseStatus
oct_export_private(const JoseKey *key, uint8_t *buffer, size_t *length)
{
	if (*length < key->u.oct.length)
		return JOSE_TOO_LARGE;
	memcpy(buffer, key->u.oct.secret, key->u.oct.length);
	*length = key->u.oct.length;
	return JOSE_OK;
}

static JoseStatus
oct_sign(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		 uint8_t *signature, size_t *signature_length)
{
	JoseHash	hash = info->hash;
	EVP_MAC_CTX *context;
	bool		done;

	if (*signature_length < jose_hash_length(hash))
		return JOSE_TOO_LARGE;
	context = EVP_MAC_CTX_dup(key->u.oct.mac[hash]);
	done = context != NULL &&
		EVP_MAC_update(context, input, input_length) &&
		EVP_MAC_final(context, signature, signature_length, *signature_length);
	EVP_MAC_CTX_free(context);
	return done ? JOSE_OK : JOSE_FAILURE;
}

static JoseStatus
oct_verify(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		   const uint8_t *signature, size_t signature_length)
{
	uint8_t		expected[EVP_MAX_MD_SIZE];
	size_t		length = sizeof(expected);
	JoseStatus	status = oct_sign(key, info, input, input_length, expected, &length);

	if (status == JOSE_OK &&
		(signature_length != length || sodium_memcmp(expected, signature, length) != 0))
		status = JOSE_BAD_SIGNATURE;

	/* Left on the stack, the expected value would be a valid signature of the input. */
	wipe_bytes(expected, sizeof(expected));
	return status;
}

const JoseKeyMethods jose_oct_methods = {
	.kty = "oct",
	.type = JOSE_KEY_OCT,
	.import = oct_import,
	.import_private = oct_import_private,
	.generate = oct_generate,
	.release = oct_release,
	.allows = oct_allows,
	.write_public = oct_write_public,
	.export_private = oct_export_private,
	.sign = oct_sign,
	.verify = oct_verify
};
