/*-------------------------------------------------------------------------
 *
 * jwk.h
 *	  JWKs between jsonb and src/jose, and the failures of src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JWK_H
#define ANON_AUTH_JWK_H

#include "postgres.h"

#include "jose/jose.h"
#include "utils/jsonb.h"

/*
 * Fill jwk with the members of a JSON object, as spans of its text.  Return NULL,
 * or a reason: the value is not an object, or a member has a wrong type.
 */
extern const char *jwk_from_jsonb(const Jsonb *object, JoseJwk *jwk);

/*
 * Raise XX000 unless status is JOSE_OK: for statuses that no input of a caller
 * can cause.
 */
extern void jose_check_internal(JoseStatus status);

#endif							/* ANON_AUTH_JWK_H */
