/*-------------------------------------------------------------------------
 *
 * dpop.h
 *	  The key that a request shows with a DPoP proof (RFC 9449).
 *
 * clients.dpop decides what a client may and must show.  A session that was bound to a key
 * needs a proof of this key for ever, whatever clients.dpop becomes.
 *
 * A proof is checked at the beginning of a call, so that a bad one costs nothing else, and
 * used once the credentials of the call have been found right.  Its jti is remembered only
 * then: strangers cannot fill the store with proofs of keys that nobody knows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DPOP_H
#define ANON_AUTH_DPOP_H

#include "postgres.h"

#include "base/span.h"
#include "datatype/timestamp.h"
#include "store/clients.h"

/* Room for a thumbprint (jkt) as text: 43 characters and a terminator. */
#define DPOP_JKT_SIZE	44

/* The result of dpop_check(). */
typedef struct DpopCheck
{
	bool		given;			/* the request has a proof */
	const char *problem;		/* a sentence that says why it is refused; NULL: it is valid */
	bool		wants_nonce;	/* it is valid except that it needs a new nonce */
	char		jkt[DPOP_JKT_SIZE]; /* of the key, if the proof is valid */
	char	   *jti;
	TimestampTz expires_at;		/* until then it can be used */
	bool		used;
} DpopCheck;

/*
 * Return the result of checking a proof, palloc'd.  proof NULL: the request has none.
 * access_token NULL: the proof need not be for an access token.  method and uri are those
 * of the request over HTTP; NULL: POST, and the token endpoint of the issuer.  Raises
 * nothing if the proof is bad.
 */
extern DpopCheck *dpop_check(const char *proof, const char *method, const char *uri,
							 const Span *access_token, TimestampTz now);

/*
 * The functions below take NULL for a request that has no proof.  They raise AA026 for a
 * proof that is missing or bad, AA027 if it needs a new nonce.  Those that use a proof also
 * raise AA026 if another call has used it, and AA018 if there is no room to remember it.
 */

/* Raise unless the client accepts what the request shows.  Uses nothing. */
extern void dpop_admit(const Client *client, const DpopCheck *check);

/*
 * Use a proof, and return the thumbprint of the key to which the client's new session is
 * bound.  NULL: none.
 */
extern const char *dpop_key_of_session(const Client *client, DpopCheck *check);

/*
 * Use a proof for something that is bound to the key of thumbprint jkt.  Return false if
 * the proof is valid, but of another key.
 */
extern bool dpop_matches(DpopCheck *check, const char *jkt);

/*
 * Return the nonce for the next proof of a client that has sent one, or NULL if
 * settings.dpop_nonce is off (RFC 9449, section 8.2).  Writes nothing, so it also works on a
 * standby.
 */
extern char *dpop_next_nonce(const DpopCheck *check);

#endif							/* ANON_AUTH_DPOP_H */
