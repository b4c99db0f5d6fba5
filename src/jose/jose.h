/*-------------------------------------------------------------------------
 *
 * jose.h
 *	  All of src/jose: JWS, JWK and JWA on OpenSSL 3 and libsodium.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JOSE_H
#define ANON_AUTH_JOSE_H

#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "jose/key.h"

#endif							/* ANON_AUTH_JOSE_H */
