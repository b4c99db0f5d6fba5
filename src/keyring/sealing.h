/*-------------------------------------------------------------------------
 *
 * sealing.h
 *	  Secrets in tables: private signing keys, and codes in the outbox; and login IDs in
 *	  the addresses of pages.
 *
 * A sealed secret can be opened in this database and for its row only.  All
 * functions raise F0000 as master_key_derived().  The caller wipes
 * an opened secret.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SEALING_H
#define ANON_AUTH_SEALING_H

#include "postgres.h"

#include "jose/key.h"
#include "keyring/master_key.h"
#include "store/signing_keys.h"

/*
 * Seal a secret with the key for a use, derived from the current master key.  row
 * identifies the row of the secret, and must be the same when it is opened.
 * Returns a palloc'd bytea.
 */
extern bytea *sealing_seal(MasterKeyUse use, const void *secret, size_t length,
						   const void *row, size_t row_length);

/*
 * Open a secret into a buffer of the given size and set *length.  Tries all master
 * keys of the file.  Returns false if none of them has sealed it, for this use,
 * row and database.
 */
extern bool sealing_open(MasterKeyUse use, const bytea *sealed, const void *row,
						 size_t row_length, void *secret, size_t size, size_t *length);

/*
 * Fill sealed_private_key and master_key_id of a row whose kid is set with the
 * private part of a key.
 */
extern void sealing_seal_key(SigningKeyRow *row, const JoseKey *key);

/*
 * Open the private part of a row and import it with the public JWK; the caller
 * frees *key with jose_key_free().  Raises F0000 if the file does not have the
 * row's master key, and XX001 if that key does not open it.
 */
extern JoseStatus sealing_import_key(const SigningKeyRow *row, const JoseJwk *public_jwk,
									 JoseKey **key);

/* Check that the private part of a row can be opened.  Raises the same errors. */
extern void sealing_check_key(const SigningKeyRow *row);

/* Seal the private part of a row with the current master key.  Raises the same. */
extern void sealing_reseal_key(SigningKeyRow *row);

typedef struct OpenedPrivateKey
{
	size_t		length;
	uint8		bytes[JOSE_MAX_PRIVATE_LENGTH];
} OpenedPrivateKey;

/*
 * The two halves of sealing_reseal_key(), for a caller that changes the derived
 * keys between them.  The caller wipes opened.
 */
extern void sealing_open_key(const SigningKeyRow *row, OpenedPrivateKey *opened);
extern void sealing_seal_opened_key(SigningKeyRow *row, const OpenedPrivateKey *opened);

#endif							/* ANON_AUTH_SEALING_H */
