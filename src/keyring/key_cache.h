/*-------------------------------------------------------------------------
 *
 * key_cache.h
 *	  The parsed signing keys of this database, cached in this backend.
 *
 * A key that a function returns is valid until the next call of a function of
 * this file.  Its flags are those of the key's row as this statement sees it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEY_CACHE_H
#define ANON_AUTH_KEY_CACHE_H

#include "postgres.h"

#include "jose/key.h"

typedef struct SigningKey
{
	char	   *kid;
	JoseAlg		alg;
	bool		can_sign;		/* active, or a rotation will retire it later */
	bool		published;		/* active or retiring: may verify */
	JoseKey    *key;
} SigningKey;

/*
 * Return the key with this kid in any state, or NULL if there is none.  Its
 * private part is unsealed only if want_private is true, or if it is symmetric.
 * Raises XX001 if the row is damaged.  If it unseals the private part, it also
 * raises F0000 without the master key.
 */
extern const SigningKey *key_cache_get(const char *kid, bool want_private);

/*
 * Return the key that signs now (signing_keys_find_signer()) with its private part,
 * or NULL if there is none.  Raises errors as key_cache_get().
 */
extern const SigningKey *key_cache_get_current(void);

#endif							/* ANON_AUTH_KEY_CACHE_H */
