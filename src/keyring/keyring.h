/*-------------------------------------------------------------------------
 *
 * keyring.h
 *	  Signing keys: making, keeping and using them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEYRING_H
#define ANON_AUTH_KEYRING_H

#include "postgres.h"

#include "jose/key.h"
#include "utils/jsonb.h"

/* A signing key as it is cached in this backend. */
typedef struct SigningKey
{
	char	   *kid;
	JoseAlg		alg;
	bool		active;			/* may sign */
	bool		published;		/* active or retiring: may verify */
	JoseKey    *key;
} SigningKey;

/*
 * The key that signs: the named one, or with kid NULL the newest active one.
 * Makes the first ES256 key of a database that has no key at all.  Raises AA017
 * where there is no such key, or it is not active.  Valid until the next call.
 */
extern const SigningKey *keyring_signer(const char *kid);

/* The key that verifies, or NULL where kid is unknown or retired. */
extern const SigningKey *keyring_verifier(const char *kid);

/*
 * Makes a new active key and returns its kid.  Raises 22023 for an alg that
 * the keyring does not sign with.
 */
extern char *keyring_create(const char *alg);

/*
 * Takes over a private JWK and returns its kid.  Raises AA016 for a bad JWK,
 * 42710 where the kid exists.
 */
extern char *keyring_import(Jsonb *jwk);

/*
 * Makes a new active key and lets the others verify only, until the last token
 * that they have signed has expired.  alg NULL: that of the key which signs
 * now.  Returns the kid; raises as keyring_create().
 */
extern char *keyring_rotate(const char *alg);

/*
 * Takes a key out of use at once.  Raises 42704 where there is none, and 55000
 * where nothing would be left to sign with.
 */
extern void keyring_retire(const char *kid);

/*
 * Puts a new master key before the others in its file, seals all signing keys
 * with it, and returns its id.  The file is changed at once and for good, the
 * signing keys with the transaction.  Raises F0000 where the file is not the
 * server's to write, 54000 where it has all the keys that it may have.
 */
extern char *keyring_rotate_master_key(void);

/*
 * Seals the signing keys that are sealed with a former master key with the
 * current one; returns how many those were.  Raises F0000 where the file does
 * not have the key of one of them.
 */
extern int	keyring_reseal(void);

/*
 * Takes a former master key out of the file, at once and for good.  Raises
 * 42704 where the file does not have it, 55000 where it is still needed, and
 * F0000.  With force, what other databases need does not count.
 */
extern void keyring_retire_master_key(const char *id, bool force);

/*
 * Gives the database another random id, seals the signing keys again, and returns
 * the id.  Everything else that was made with derived keys dies.  Raises 55000 at
 * REPEATABLE READ and SERIALIZABLE, and F0000.
 */
extern char *keyring_renew_database_id(void);

/* Makes the first key where there is none at all, active or not. */
extern void keyring_ensure_signer(void);

/* The public keys as a JWK Set (RFC 7517, section 5), as JSON text. */
extern char *keyring_jwks(void);

#endif							/* ANON_AUTH_KEYRING_H */
