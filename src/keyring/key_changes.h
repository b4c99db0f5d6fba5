/*-------------------------------------------------------------------------
 *
 * key_changes.h
 *	  Making, importing, rotating and retiring signing keys.
 *
 * A new key is published at once, and signs after settings.signing_key_lead_time: a
 * verifier that caches the keys fetches it in this time.  The lead time begins with
 * the call.  If no other key can sign, the new one signs at once.
 *
 * Functions that add or retire a key send a NOTIFY, on which PostgREST loads the
 * keys again.  PREPARE TRANSACTION therefore fails after them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEY_CHANGES_H
#define ANON_AUTH_KEY_CHANGES_H

#include "postgres.h"

#include "utils/jsonb.h"

/*
 * Make an active key for an algorithm and return its palloc'd kid.  Raises 22023
 * for an algorithm that is not for JOSE_USE_MAKE_KEYS, and F0000 without the
 * master key.
 */
extern char *keyring_create(const char *alg);

/*
 * Store a private or symmetric JWK as an active key and return its palloc'd kid.
 * Raises AA016 if the JWK is not usable, 42710 if the kid exists, and F0000
 * without the master key.
 */
extern char *keyring_import(Jsonb *jwk);

/*
 * Make an active key.  The other keys sign until it does, and then only verify, until
 * the last token that they have signed has expired.  If immediately is true, the new
 * key signs at once, also in place of a key whose lead time has not passed.  With alg
 * NULL the key gets the algorithm of the newest active key, or ES256 if that is
 * symmetric.  Returns the kid and raises errors as keyring_create().  Waits for other
 * changes of signing keys.
 */
extern char *keyring_rotate(const char *alg, bool immediately);

/*
 * Retire a key at once: its tokens are no longer accepted.  If it signs now, its
 * successor signs at once.  If it was to replace a key that signs now, that key remains
 * active.  Raises 42704 if there is no such key, and 55000 if no key could sign.  Waits
 * for other changes of signing keys.
 */
extern void keyring_retire(const char *kid);

/* Make an ES256 key if the database has no signing key in any state. */
extern void keyring_ensure_signer(void);

#endif							/* ANON_AUTH_KEY_CHANGES_H */
