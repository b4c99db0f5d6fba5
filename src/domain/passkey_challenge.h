/*-------------------------------------------------------------------------
 *
 * passkey_challenge.h
 *	  Challenges for authenticators.
 *
 * A challenge is self-contained as those of challenge.h are, and names the user that a new
 * passkey is for: so a response that somebody was made to sign for one user cannot be used
 * for another.  A challenge for a sign-up names the user that will be made.
 *
 * Each works once.  Two memories see to that, because each has a gap: the file of the
 * counters remembers a challenge also if the transaction is rolled back, but standbys do
 * not have it; the row of the passkey has a window of challenges, which standbys have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEY_CHALLENGE_H
#define ANON_AUTH_PASSKEY_CHALLENGE_H

#include "postgres.h"

#include "base/span.h"
#include "token/token.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/*
 * Return a new challenge as text, which is the base64url form of its bytes.  user_id is NULL
 * for a login.  Writes nothing.
 */
extern char *passkey_challenge_make(ChallengePurpose purpose, const pg_uuid_t *user_id,
									TimestampTz now);

/* Fill challenge from its text.  Return false if it was not issued here. */
extern bool passkey_challenge_read(Span text, PasskeyChallenge *challenge);

/*
 * Fill challenge from its text.  Return NULL, or a sentence that says why it is no challenge
 * for an authenticator of the last five minutes.  Does not check whether it was used.
 */
extern const char *passkey_challenge_problem(Span text, TimestampTz now,
											 PasskeyChallenge *challenge);

/*
 * Use a challenge up.  Return false if it was used before, also by a transaction that was
 * rolled back.  Raises AA018 if there is no room to remember it.
 */
extern bool passkey_challenge_use(const PasskeyChallenge *challenge);

#endif							/* ANON_AUTH_PASSKEY_CHALLENGE_H */
