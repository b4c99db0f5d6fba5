/*-------------------------------------------------------------------------
 *
 * jwk.h
 *	  Reading a JWK from jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JWK_H
#define ANON_AUTH_JWK_H

#include "postgres.h"

#include "jose/jwa.h"
#include "jose/jwk_members.h"
#include "utils/jsonb.h"

/*
 * Fill jwk with the members of a JSON object, as spans of its text.  Returns
 * NULL, or a clause that says what is wrong: the value is not an object, it has
 * no "kty", or a member that we read is not a string.  The clause is static or
 * palloc'd.  jose_key_import() checks the values.
 */
extern const char *jwk_from_jsonb(const Jsonb *object, JoseJwk *jwk);

/* True if a JWK does not restrict its algorithm, or only to this one (RFC 7517, 4.4). */
extern bool jwk_is_for_alg(const Jsonb *object, JoseAlg alg);

#endif							/* ANON_AUTH_JWK_H */
