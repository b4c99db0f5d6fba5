/*-------------------------------------------------------------------------
 *
 * sealing.c
 *	  Secrets in tables: XChaCha20-Poly1305 with a key that is derived from the
 *	  master key.
 *
 * The additional data identifies the row of a secret, so that the secret cannot be
 * moved to another row: the kid of a signing key, or the address of a message in
 * the outbox.
 *
 * A sealed secret is a random nonce followed by ciphertext and tag.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/wipe.h"
#include "jose/key.h"
#include "keyring/jose_check.h"
#include "keyring/sealing.h"
#include "store/settings.h"
#include "token/token.h"

#define NONCE_LENGTH	crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LENGTH		crypto_aead_xchacha20poly1305_ietf_ABYTES

StaticAssertDecl(TOKEN_KEY_LENGTH == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
				 "key lengths differ");

static bytea *
encrypt_secret(const uint8 *key, const void *secret, size_t length, const void *row, size_t row_length)
{
	unsigned long long sealed_length;
	bytea	   *sealed = palloc(VARHDRSZ + NONCE_LENGTH + length + TAG_LENGTH);
	uint8	   *nonce = (uint8 *) VARDATA(sealed);

	randombytes_buf(nonce, NONCE_LENGTH);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_LENGTH, &sealed_length,
											   secret, length, row, row_length,
											   NULL, nonce, key);
	SET_VARSIZE(sealed, VARHDRSZ + NONCE_LENGTH + sealed_length);
	return sealed;
}

/* Return false, and zero the secret, unless the key has sealed it for this row. */
static bool
decrypt_secret(const uint8 *key, const bytea *sealed, const void *row, size_t row_length,
			   void *secret, size_t size, size_t *length)
{
	const uint8 *nonce = (const uint8 *) VARDATA_ANY(sealed);
	size_t		sealed_length = VARSIZE_ANY_EXHDR(sealed);
	unsigned long long decrypted;

	if (sealed_length < NONCE_LENGTH + TAG_LENGTH ||
		sealed_length > NONCE_LENGTH + TAG_LENGTH + size ||
		crypto_aead_xchacha20poly1305_ietf_decrypt(secret, &decrypted, NULL,
												   nonce + NONCE_LENGTH,
												   sealed_length - NONCE_LENGTH,
												   row, row_length, nonce, key) != 0)
		return false;
	*length = decrypted;
	return true;
}

bytea *
sealing_seal(MasterKeyUse use, const void *secret, size_t length,
			 const void *row, size_t row_length)
{
	return encrypt_secret(master_key_derived(use, 0), secret, length, row, row_length);
}

bool
sealing_open(MasterKeyUse use, const bytea *sealed, const void *row, size_t row_length,
			 void *secret, size_t size, size_t *length)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(use, i)) != NULL; i++)
		if (decrypt_secret(key, sealed, row, row_length, secret, size, length))
			return true;
	return false;
}

void
sealing_seal_opened_key(SigningKeyRow *row, const OpenedPrivateKey *opened)
{
	row->sealed_private_key = sealing_seal(MASTER_KEY_SEALING, opened->bytes, opened->length,
										   row->kid, strlen(row->kid));
	row->master_key_id = pstrdup(master_key_current_id());
}

static bool
try_to_open(const SigningKeyRow *row, OpenedPrivateKey *opened)
{
	return decrypt_secret(master_key_derived_by_id(MASTER_KEY_SEALING, row->master_key_id),
						  row->sealed_private_key, row->kid, strlen(row->kid),
						  opened->bytes, sizeof(opened->bytes), &opened->length);
}

void
sealing_open_key(const SigningKeyRow *row, OpenedPrivateKey *opened)
{
	if (try_to_open(row, opened))
		return;

	/* The row can be newer than the database id that this statement has read. */
	settings_read_again();
	if (!try_to_open(row, opened))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the private part of signing key \"%s\" is damaged", row->kid),
				 errdetail("It cannot be opened with master key %s, with which it was sealed.",
						   row->master_key_id),
				 errhint("If the row of anon_auth.settings was deleted or its database_id changed, restore the former database_id. It is in the master key file and in dumps.")));
}

void
sealing_seal_key(SigningKeyRow *row, const JoseKey *key)
{
	OpenedPrivateKey opened = {.length = sizeof(opened.bytes)};
	JoseStatus	status = jose_key_export_private(key, opened.bytes, &opened.length);

	if (status == JOSE_OK)
		sealing_seal_opened_key(row, &opened);
	wipe_bytes(&opened, sizeof(opened));
	jose_check_internal(status);
}

JoseStatus
sealing_import_key(const SigningKeyRow *row, const JoseJwk *public_jwk, JoseKey **key)
{
	OpenedPrivateKey opened;
	JoseStatus	status;

	sealing_open_key(row, &opened);
	status = jose_key_import_private(public_jwk, opened.bytes, opened.length, key);
	wipe_bytes(&opened, sizeof(opened));
	return status;
}

void
sealing_check_key(const SigningKeyRow *row)
{
	OpenedPrivateKey opened;

	sealing_open_key(row, &opened);
	wipe_bytes(&opened, sizeof(opened));
}

void
sealing_reseal_key(SigningKeyRow *row)
{
	OpenedPrivateKey opened;

	sealing_open_key(row, &opened);
	sealing_seal_opened_key(row, &opened);
	wipe_bytes(&opened, sizeof(opened));
}
