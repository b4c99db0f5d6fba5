/*-------------------------------------------------------------------------
 *
 * sealing.h
 *	  Secrets at rest: private keys, and codes that wait to be sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SEALING_H
#define ANON_AUTH_SEALING_H

#include "jose/jose.h"
#include "keyring/master_key.h"
#include "store/store.h"

/*
 * Seals a secret of a row with the current master key.  row is what identifies
 * the row; it must be given again to open the secret.
 */
extern bytea *sealing_seal(MasterKeyUse use, const void *secret, size_t length,
						   const void *row, size_t row_length);

/*
 * Opens what sealing_seal() made into a buffer of a size, and sets length.  False
 * unless a key of the file has sealed it, for this row and in this database.
 */
extern bool sealing_open(MasterKeyUse use, const bytea *sealed, const void *row,
						 size_t row_length, void *secret, size_t size, size_t *length);

/* Fills sealed_private_key and master_key_id of a row whose kid is set. */
extern void sealing_seal_key(SigningKeyRow *row, const JoseKey *key);

/*
 * Opens what sealing_seal_key() made and joins it with the public members.
 * Raises F0000 where the master key is not the right one.
 */
extern JoseStatus sealing_import_key(const SigningKeyRow *row, const JoseJwk *public_jwk,
									 JoseKey **key);

/* Raises as sealing_import_key() would. */
extern void sealing_check_key(const SigningKeyRow *row);

/* Seals what a row has anew, with the current master key.  Raises the same. */
extern void sealing_reseal_key(SigningKeyRow *row);

/*
 * The two halves of sealing_reseal_key(), for when the keys change in between.
 * Wipe what was opened.
 */
typedef struct OpenedPrivateKey
{
	size_t		length;
	uint8		bytes[JOSE_MAX_PRIVATE_LENGTH];
} OpenedPrivateKey;

extern void sealing_open_key(const SigningKeyRow *row, OpenedPrivateKey *opened);
extern void sealing_seal_opened_key(SigningKeyRow *row, const OpenedPrivateKey *opened);

#endif							/* ANON_AUTH_SEALING_H */
