/*-------------------------------------------------------------------------
 *
 * keyring.h
 *	  Using the signing keys of this database.
 *
 * key_changes.h makes, rotates and retires them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEYRING_H
#define ANON_AUTH_KEYRING_H

#include "postgres.h"

#include "keyring/key_cache.h"

/*
 * Return the key to sign with: the one with this kid, or with kid NULL the one that
 * signs now.  If the database has no signing key at all, an ES256 key is made
 * first.  A key named by its kid signs even before its signs_from.  Raises AA017 if
 * there is no such key or it cannot sign, F0000 without the master key, and XX001 if
 * the key is damaged.  Valid until the next call.
 */
extern const SigningKey *keyring_signer(const char *kid);

/*
 * Return the key that verifies tokens with this kid, or NULL if it is unknown or
 * retired.  Needs no master key, except for symmetric keys.  Valid until the next
 * call.
 */
extern const SigningKey *keyring_verifier(const char *kid);

/*
 * Return the public keys as a JWK Set (RFC 7517 section 5), as palloc'd JSON text.
 * Symmetric keys are left out.
 */
extern char *keyring_jwks(void);

/*
 * Return for how many seconds a verifier may cache keyring_jwks(): at most half of
 * settings.signing_key_lead_time, so that it has a new key before the key signs.
 */
extern int	keyring_jwks_max_age(void);

#endif							/* ANON_AUTH_KEYRING_H */
