/*-------------------------------------------------------------------------
 *
 * imported_hash.h
 *	  Password hashes of other systems.
 *
 * An imported user's password keeps the hash of the system that it comes from until the
 * first login with it.  Then password.h replaces it.
 *
 *	format		text
 *	bcrypt		$2a$, $2b$ or $2y$ with cost, salt and hash
 *	Authgear	$bcrypt-sha512$, then bcrypt of the SHA-512 digest (authgear-server)
 *	scrypt		$scrypt$ln=LOG2_N,r=R,p=P$SALT$HASH (PHC string format; RFC 7914)
 *	Firebase	$fbscrypt$v=1,n=LOG2_N,r=R,p=P,ss=SALT_SEPARATOR,sk=SIGNER_KEY$SALT$HASH:
 *				the fields of Firebase's hash configuration, as other importers write them
 *	Argon2		$argon2id$ or $argon2i$ with v=19 (PHC string format; RFC 9106)
 *
 * Binary fields are in base64, with or without padding.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_IMPORTED_HASH_H
#define ANON_AUTH_IMPORTED_HASH_H

#include "postgres.h"

/*
 * Return NULL if a hash can be imported, else the reason, as the clause of an error
 * message: its format is not known, it is malformed, or checking it costs too much.
 */
extern const char *imported_hash_problem(const char *text);

/* Return how anon_auth.passwords stores such a hash, so that it is known as imported. */
extern char *imported_hash_stored(const char *text);

/* Whether a stored hash is an imported one. */
extern bool imported_hash_is(const char *stored);

/*
 * Return whether an imported hash is that of a password, as the user has typed it.  A hash
 * that has a problem is that of no password.
 */
extern bool imported_hash_matches(const char *stored, const char *password);

#endif							/* ANON_AUTH_IMPORTED_HASH_H */
