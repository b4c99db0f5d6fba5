/*-------------------------------------------------------------------------
 *
 * dpop_proof.h
 *	  DPoP proofs: the JWT with which a client shows that it has the private key of a
 *	  token (RFC 9449, section 4).
 *
 * The caller parses the JSON and hands over the members as spans.  It also decides about
 * the nonce and whether the jti was used before.  Plain C without PostgreSQL, as src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DPOP_PROOF_H
#define ANON_AUTH_DPOP_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "jose/jwk_members.h"
#include "jose/jws.h"
#include "jose/key.h"

/* A time of the payload: a NumericDate, rounded down. */
typedef struct DpopTime
{
	bool		present;
	int64_t		seconds;
} DpopTime;

/* What a proof says.  Absent members are spans without data. */
typedef struct DpopProof
{
	JoseCompact parts;

	/* header */
	Span		typ;
	Span		alg;
	bool		has_crit;
	JoseJwk		jwk;
	Span		jwk_alg;		/* the member alg of the JWK */

	/* payload */
	Span		jti;
	Span		htm;
	Span		htu;
	Span		ath;
	Span		nonce;
	DpopTime	iat;
	DpopTime	exp;
	DpopTime	nbf;
} DpopProof;

/* What a proof must be for. */
typedef struct DpopTarget
{
	const char *method;			/* of HTTP */
	const char *uri;			/* query and fragment do not count */
	Span		access_token;	/* that the request has; data NULL: none */
	int64_t		now;			/* Unix seconds */
	bool		ignore_times;	/* a nonce shows that the proof is fresh */
} DpopTarget;

/*
 * Check everything of a proof except its nonce and whether it was used before (RFC 9449,
 * section 4.3).  Return NULL and set thumbprint to that of the key (RFC 7638) if the proof
 * is valid.  Otherwise return a static sentence that says why it is not.  The signature is
 * checked last.
 */
extern const char *dpop_proof_problem(const DpopProof *proof, const DpopTarget *target,
									  uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH]);

/* Return whether a text has the form of a thumbprint: the parameter dpop_jkt. */
extern bool dpop_is_thumbprint(const char *text);

#endif							/* ANON_AUTH_DPOP_PROOF_H */
