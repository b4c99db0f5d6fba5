/*-------------------------------------------------------------------------
 *
 * key_okp.c
 *	  Ed25519 keys and EdDSA (RFC 8037), by libsodium.
 *
 * OpenSSL 3.0 accepts public keys of small order, with which one signature is
 * valid for every message.  libsodium lets us refuse them.
 *
 * Ed25519 is the only curve: X25519 cannot sign, and libsodium has no Ed448.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/rand.h>

#include "base/wipe.h"
#include "jose/key_methods.h"

static JoseStatus
import_public(JoseKey *key, const JoseJwk *jwk)
{
	JoseStatus	status;

	if (jwk->crv.data == NULL)
		return JOSE_KEY_INCOMPLETE;
	if (!span_equals(jwk->crv, "Ed25519"))
		return JOSE_KEY_UNSUPPORTED;
	status = jwk_decode_member_exactly(jwk->x, key->u.okp.public_key,
									  sizeof(key->u.okp.public_key));
	if (status != JOSE_OK)
		return status;

	/*
	 * True if the point is canonical, on the curve, in the group of prime order,
	 * and not of small order.
	 */
	if (crypto_core_ed25519_is_valid_point(key->u.okp.public_key) != 1)
		return JOSE_KEY_WEAK;
	return JOSE_OK;
}

/* Add the private part to a key that has its public part. */
static JoseStatus
add_seed(JoseKey *key, const uint8_t seed[crypto_sign_SEEDBYTES])
{
	uint8_t		derived[crypto_sign_PUBLICKEYBYTES];

	if (crypto_sign_seed_keypair(derived, key->u.okp.secret_key, seed) != 0)
		return JOSE_FAILURE;

	/*
	 * A signature that is made with another public key gives the private key
	 * away, so this check protects the key.
	 */
	if (sodium_memcmp(derived, key->u.okp.public_key, sizeof(derived)) != 0)
		return JOSE_KEY_MISMATCH;
	key->can_sign = true;
	return JOSE_OK;
}

static JoseStatus
okp_import(JoseKey *key, const JoseJwk *jwk)
{
	uint8_t		seed[crypto_sign_SEEDBYTES];
	JoseStatus	status;

	status = import_public(key, jwk);
	if (status != JOSE_OK || jwk->d.data == NULL)
		return status;
	status = jwk_decode_member_exactly(jwk->d, seed, sizeof(seed));
	if (status == JOSE_OK)
		status = add_seed(key, seed);
	wipe_bytes(seed, sizeof(seed));
	return status;
}

static JoseStatus
okp_import_private(JoseKey *key, const JoseJwk *public_jwk,
				   const uint8_t *private_part, size_t length)
{
	JoseStatus	status = import_public(key, public_jwk);

	if (status != JOSE_OK)
		return status;
	if (length != crypto_sign_SEEDBYTES)
		return JOSE_KEY_MALFORMED;
	return add_seed(key, private_part);
}

static JoseStatus
okp_generate(JoseKey *key, const JoseAlgInfo *info)
{
	uint8_t		seed[crypto_sign_SEEDBYTES];
	bool		done;

	(void) info;
	done = RAND_priv_bytes(seed, sizeof(seed)) == 1 &&
		crypto_sign_seed_keypair(key->u.okp.public_key, key->u.okp.secret_key, seed) == 0;
	wipe_bytes(seed, sizeof(seed));
	key->can_sign = done;
	return done ? JOSE_OK : JOSE_FAILURE;
}

static bool
okp_allows(const JoseKey *key, const JoseAlgInfo *info)
{
	(void) key;
	return info->scheme == JOSE_ED25519;
}

static JoseStatus
okp_write_public(const JoseKey *key, JwkWriter *writer)
{
	jwk_write_text(writer, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
	jwk_write_base64url(writer, key->u.okp.public_key, sizeof(key->u.okp.public_key));
	jwk_write_text(writer, "\"}");
	return JOSE_OK;
}

static JoseStatus
okp_export_private(const JoseKey *key, uint8_t *buffer, size_t *length)
{
	if (*length < crypto_sign_SEEDBYTES)
		return JOSE_TOO_LARGE;
	*length = crypto_sign_SEEDBYTES;
	return crypto_sign_ed25519_sk_to_seed(buffer, key->u.okp.secret_key) == 0 ?
		JOSE_OK : JOSE_FAILURE;
}

static JoseStatus
okp_sign(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		 uint8_t *signature, size_t *signature_length)
{
	(void) info;
	if (*signature_length < crypto_sign_BYTES)
		return JOSE_TOO_LARGE;
	*signature_length = crypto_sign_BYTES;
	return crypto_sign_detached(signature, NULL, input, input_length,
								key->u.okp.secret_key) == 0 ?
		JOSE_OK : JOSE_FAILURE;
}

static JoseStatus
okp_verify(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		   const uint8_t *signature, size_t signature_length)
{
	(void) info;
	if (signature_length != crypto_sign_BYTES ||
		crypto_sign_verify_detached(signature, input, input_length,
									key->u.okp.public_key) != 0)
		return JOSE_BAD_SIGNATURE;
	return JOSE_OK;
}

const JoseKeyMethods jose_okp_methods = {
	.kty = "OKP",
	.type = JOSE_KEY_OKP,
	.import = okp_import,
	.import_private = okp_import_private,
	.generate = okp_generate,
	.allows = okp_allows,
	.write_public = okp_write_public,
	.export_private = okp_export_private,
	.sign = okp_sign,
	.verify = okp_verify
};
