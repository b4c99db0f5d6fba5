/*-------------------------------------------------------------------------
 *
 * sealing.h
 *	  Private keys at rest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SEALING_H
#define ANON_AUTH_SEALING_H

#include "jose/jose.h"
#include "store/store.h"

/* Fills sealed_private_key and master_key_id of a row whose kid is set. */
extern void seal_private_key(SigningKeyRow *row, const JoseKey *key);

/*
 * Opens what seal_private_key() made and joins it with the public members.
 * Raises F0000 where the master key is not the right one.
 */
extern JoseStatus unseal_private_key(const SigningKeyRow *row, const JoseJwk *public_jwk,
									 JoseKey **key);

/* Raises as unseal_private_key() would. */
extern void check_sealed_private_key(const SigningKeyRow *row);

/* Seals what a row has anew, with the current master key.  Raises the same. */
extern void reseal_private_key(SigningKeyRow *row);

#endif							/* ANON_AUTH_SEALING_H */
