/*-------------------------------------------------------------------------
 *
 * sealing.c
 *	  Private keys at rest: XChaCha20-Poly1305 under a key that is derived
 *	  from the master key, with the kid as additional data, so that a sealed
 *	  key cannot be moved to another row.
 *
 * A sealed key is the random nonce followed by ciphertext and tag.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "errors.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"

#define NONCE_LENGTH	crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LENGTH		crypto_aead_xchacha20poly1305_ietf_ABYTES

StaticAssertDecl(TOKEN_KEY_LENGTH == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
				 "key lengths differ");

/* Fills sealed_private_key and master_key_id. */
static void
seal(SigningKeyRow *row, const uint8 *private_part, size_t length)
{
	unsigned long long sealed_length;
	const uint8 *sealing_key = master_key_derived(MASTER_KEY_SEALING, 0);
	bytea	   *sealed = palloc(VARHDRSZ + NONCE_LENGTH + length + TAG_LENGTH);
	uint8	   *nonce = (uint8 *) VARDATA(sealed);

	randombytes_buf(nonce, NONCE_LENGTH);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_LENGTH, &sealed_length,
											   private_part, length,
											   (const uint8 *) row->kid, strlen(row->kid),
											   NULL, nonce, sealing_key);
	SET_VARSIZE(sealed, VARHDRSZ + NONCE_LENGTH + sealed_length);
	row->sealed_private_key = sealed;
	row->master_key_id = pstrdup(master_key_current_id());
}

/* Returns the length of the private part. */
static size_t
unseal(const SigningKeyRow *row, uint8 private_part[JOSE_MAX_PRIVATE_LENGTH])
{
	unsigned long long length;
	const uint8 *sealing_key = master_key_derived_by_id(MASTER_KEY_SEALING, row->master_key_id);
	const uint8 *sealed = (const uint8 *) VARDATA_ANY(row->sealed_private_key);
	size_t		sealed_length = VARSIZE_ANY_EXHDR(row->sealed_private_key);

	if (sealed_length < NONCE_LENGTH + TAG_LENGTH ||
		sealed_length > NONCE_LENGTH + TAG_LENGTH + JOSE_MAX_PRIVATE_LENGTH ||
		crypto_aead_xchacha20poly1305_ietf_decrypt(private_part, &length, NULL,
												   sealed + NONCE_LENGTH,
												   sealed_length - NONCE_LENGTH,
												   (const uint8 *) row->kid, strlen(row->kid),
												   sealed, sealing_key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the private part of signing key \"%s\" is damaged", row->kid),
				 errdetail("Master key %s does not open it, although it was sealed with that key.",
						   row->master_key_id)));
	return length;
}

void
seal_private_key(SigningKeyRow *row, const JoseKey *key)
{
	uint8		private_part[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = sizeof(private_part);
	JoseStatus	status = jose_key_export_private(key, private_part, &length);

	if (status == JOSE_OK)
		seal(row, private_part, length);
	sodium_memzero(private_part, sizeof(private_part));
	check_jose_internal(status);
}

JoseStatus
unseal_private_key(const SigningKeyRow *row, const JoseJwk *public_jwk, JoseKey **key)
{
	uint8		private_part[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = unseal(row, private_part);
	JoseStatus	status = jose_key_import_private(public_jwk, private_part, length, key);

	sodium_memzero(private_part, sizeof(private_part));
	return status;
}

void
check_sealed_private_key(const SigningKeyRow *row)
{
	uint8		private_part[JOSE_MAX_PRIVATE_LENGTH];

	(void) unseal(row, private_part);
	sodium_memzero(private_part, sizeof(private_part));
}

void
reseal_private_key(SigningKeyRow *row)
{
	uint8		private_part[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = unseal(row, private_part);

	seal(row, private_part, length);
	sodium_memzero(private_part, sizeof(private_part));
}
