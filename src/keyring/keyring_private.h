/*-------------------------------------------------------------------------
 *
 * keyring_private.h
 *	  What the files of keyring.h share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_KEYRING_PRIVATE_H
#define ANON_AUTH_KEYRING_PRIVATE_H

#include "postgres.h"

#include "jose/jwa.h"


/* A JWS algorithm by its name, NUL-terminated. */
extern JoseAlg keyring_alg(const char *name);

/* Another key may sign now; any key that was read may have changed. */
extern void keyring_forget_current_signer(void);
extern void keyring_forget_states(void);

#endif							/* ANON_AUTH_KEYRING_PRIVATE_H */
