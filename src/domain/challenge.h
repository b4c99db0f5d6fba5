/*-------------------------------------------------------------------------
 *
 * challenge.h
 *	  Challenges, which show that a signed request is fresh
 *	  (docs/authgear.md, section 1.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CHALLENGE_H
#define ANON_AUTH_CHALLENGE_H

#include "postgres.h"

#include "base/span.h"
#include "token/token.h"
#include "utils/timestamp.h"

/*
 * Return a new challenge as text and set *expires_at.  purpose is one of
 * anonymous_request, biometric_request, app2app_request, id_token and dpop_nonce; raises
 * 22023 for any other.  Writes nothing, so it also works on a standby.
 */
extern char *challenge_create(const char *purpose, TimestampTz *expires_at);

/*
 * Fill challenge from its text.  Return NULL, or a sentence that says why it is not
 * a challenge for this purpose of the last five minutes.  Does not check whether it was
 * used before.
 */
extern const char *challenge_problem(const Span *text, ChallengePurpose purpose,
									 TimestampTz now, Challenge *challenge);

/*
 * Fill challenge from its text.  Raises AA005 unless the challenge is authentic,
 * for this purpose, and not older than five minutes.  Does not check whether
 * it was used before; challenge_use() does.
 */
extern void challenge_open(const Span *text, ChallengePurpose purpose, TimestampTz now,
						   Challenge *challenge);

/*
 * Return a window of used challenges, of a device key or an identity, with this
 * challenge added.  window is NULL if none was used.  Return NULL if the challenge
 * is in the window, or is too old for the window to tell.  The caller stores the
 * result.
 */
extern bytea *challenge_add(const bytea *window, const Challenge *challenge, TimestampTz now);

/* The same, but raise AA005 instead of returning NULL. */
extern bytea *challenge_use(const bytea *window, const Challenge *challenge, TimestampTz now);

#endif							/* ANON_AUTH_CHALLENGE_H */
