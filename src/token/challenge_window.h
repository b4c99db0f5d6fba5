/*-------------------------------------------------------------------------
 *
 * challenge_window.h
 *	  The challenges that a device key has used.
 *
 * A window makes challenges single-use, as the window of IPsec does against
 * replay.  It is a sequence of bytes in the row of the device key.  It contains
 * the challenges used last and a floor.  Challenges issued at or before the floor
 * are refused, because the window no longer knows which of them were used.
 *
 * Plain C without PostgreSQL, as src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CHALLENGE_WINDOW_H
#define ANON_AUTH_CHALLENGE_WINDOW_H

#include "base/limits.h"
#include "token/token.h"

/* Bytes of one challenge in a window, and of a full window. */
#define CHALLENGE_WINDOW_ENTRY		(8 + CHALLENGE_NONCE_LENGTH)
#define CHALLENGE_WINDOW_SIZE		(8 + CHALLENGE_WINDOW_ENTRIES * CHALLENGE_WINDOW_ENTRY)

/*
 * Use a challenge: write the window with it to result, which has room for
 * CHALLENGE_WINDOW_SIZE bytes.  A length of 0 is an empty window.
 *
 * Challenges issued at or before the time expired leave the window, since they
 * have expired.  If the window is full, the oldest challenge leaves it, too.  The
 * floor rises to the latest challenge that left.
 *
 * Returns false and writes nothing if the challenge is in the window, is not
 * later than the floor, or if the window is damaged.
 */
extern bool challenge_window_accept(const uint8_t *window, size_t length,
									const Challenge *challenge, int64_t expired,
									uint8_t result[CHALLENGE_WINDOW_SIZE], size_t *result_length);

#endif							/* ANON_AUTH_CHALLENGE_WINDOW_H */
