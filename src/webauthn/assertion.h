/*-------------------------------------------------------------------------
 *
 * assertion.h
 *	  Signatures of authenticators (WebAuthn Level 3, section 6.5.5).
 *
 * Plain C without PostgreSQL, as src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ASSERTION_H
#define ANON_AUTH_ASSERTION_H

#include <stdint.h>

#include "base/span.h"
#include "jose/jws.h"

#define CLIENT_DATA_HASH_LENGTH		32

/*
 * Verify a signature over authenticator data followed by the SHA-256 of the client data.
 * Returns JOSE_OK or a status of jose_verify(), and JOSE_BAD_SIGNATURE also if an ES256 signature is
 * not DER.
 */
extern JoseStatus assertion_verify(const JoseKey *key, JoseAlg alg, Span authenticator_data,
								   Span client_data, Span signature);

#endif							/* ANON_AUTH_ASSERTION_H */
