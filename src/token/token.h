/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Self-contained tokens of our own: challenges, promotion codes and
 *	  refresh tokens.  Plain C, like src/jose.
 *
 * Each is the base64url form of a fixed-size body and a 16-byte keyed BLAKE2b
 * tag over it, under a key that only this kind of token has.  A forged or
 * mangled token is refused before any table is read.  Times are microseconds
 * in the epoch of the caller's choice.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_TOKEN_H
#define ANON_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_KEY_LENGTH	32
#define TOKEN_TAG_LENGTH	16
#define TOKEN_ID_LENGTH		16	/* a uuid */

/* Long enough for any of them, with the terminator. */
#define TOKEN_TEXT_SIZE		128

/* What a challenge was asked for (docs/authgear.md, section 1.1). */
typedef enum ChallengePurpose
{
	CHALLENGE_ANONYMOUS_REQUEST = 1,
	CHALLENGE_BIOMETRIC_REQUEST = 2,
	CHALLENGE_APP2APP_REQUEST = 3
} ChallengePurpose;

#define CHALLENGE_NONCE_LENGTH	16

typedef struct Challenge
{
	uint8_t		purpose;
	int64_t		issued_at;
	uint8_t		nonce[CHALLENGE_NONCE_LENGTH];
} Challenge;

typedef struct PromotionCode
{
	uint8_t		user_id[TOKEN_ID_LENGTH];
	uint8_t		session_id[TOKEN_ID_LENGTH];
	int64_t		expires_at;
} PromotionCode;

/*
 * The seed stays the same for the life of a session, the generation counts
 * rotations.  Whoever holds one generation cannot make the next: the tag needs
 * the key.  The server can make it again for a client that lost the response,
 * without keeping it.
 */
#define REFRESH_TOKEN_SEED_LENGTH	32

typedef struct RefreshToken
{
	uint8_t		user_id[TOKEN_ID_LENGTH];
	uint8_t		session_id[TOKEN_ID_LENGTH];
	uint32_t	generation;
	uint8_t		seed[REFRESH_TOKEN_SEED_LENGTH];
} RefreshToken;

/* Writers fill text with a NUL-terminated token. */
extern void challenge_write(const Challenge *challenge,
							const uint8_t key[TOKEN_KEY_LENGTH], char text[TOKEN_TEXT_SIZE]);
extern void promotion_code_write(const PromotionCode *code,
								 const uint8_t key[TOKEN_KEY_LENGTH], char text[TOKEN_TEXT_SIZE]);
extern void refresh_token_write(const RefreshToken *token,
								const uint8_t key[TOKEN_KEY_LENGTH], char text[TOKEN_TEXT_SIZE]);

/* Readers are false for anything that the key has not made. */
extern bool challenge_read(Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
						   const char *text, size_t length);
extern bool promotion_code_read(PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
								const char *text, size_t length);
extern bool refresh_token_read(RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
							   const char *text, size_t length);

/*
 * The challenges that a device key has used: a window like that of IPsec's
 * replay protection, kept as bytes in the key's row.  It begins with a floor:
 * challenges issued at or before it are refused, because what was used then is
 * no longer known.
 */
#define CHALLENGE_WINDOW_ENTRIES	64
#define CHALLENGE_WINDOW_ENTRY		(8 + CHALLENGE_NONCE_LENGTH)
#define CHALLENGE_WINDOW_SIZE		(8 + CHALLENGE_WINDOW_ENTRIES * CHALLENGE_WINDOW_ENTRY)

/*
 * Takes a challenge into a window.  Entries issued at or before expired are
 * dropped (their challenges have expired anyway), and when the window is full
 * the oldest goes.  window may be empty (length 0).  Returns false, and
 * changes nothing, when the challenge was used before or is too old to tell.
 * result has room for CHALLENGE_WINDOW_SIZE bytes.
 */
extern bool challenge_window_accept(const uint8_t *window, size_t length,
									const Challenge *challenge, int64_t expired,
									uint8_t result[CHALLENGE_WINDOW_SIZE], size_t *result_length);

#endif							/* ANON_AUTH_TOKEN_H */
