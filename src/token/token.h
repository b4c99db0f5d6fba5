/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Our own self-contained tokens: challenges, promotion codes, refresh tokens,
 *	  the flows of a browser and app sessions.
 *
 * A token is the base64url form of a body of fixed size followed by a tag: 16
 * bytes of keyed BLAKE2b over the body.  Each kind of token has its own key, so
 * that one kind never passes for another.  A forged or damaged token is refused
 * before any table is read.
 *
 * Times are microseconds in an epoch that the caller chooses.  Plain C without
 * PostgreSQL, as src/jose.
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
#define TOKEN_ID_LENGTH		16	/* a UUID */

/* Bytes that suffice for the text of any token, with a terminator. */
#define TOKEN_TEXT_SIZE		128

/*
 * What a challenge was requested for (docs/authgear.md, section 1.1; id_token and
 * dpop_nonce are our own).  The numbers are in tokens: do not change them.
 */
typedef enum ChallengePurpose
{
	CHALLENGE_ANONYMOUS_REQUEST = 1,
	CHALLENGE_BIOMETRIC_REQUEST = 2,
	CHALLENGE_APP2APP_REQUEST = 3,
	CHALLENGE_ID_TOKEN = 4,
	CHALLENGE_DPOP_NONCE = 5,
	CHALLENGE_PASSKEY_ADD = 6,	/* for a user that exists */
	CHALLENGE_PASSKEY_SIGN_UP = 7,	/* for the account that the response makes */
	CHALLENGE_PASSKEY_LOGIN = 8
} ChallengePurpose;

#define CHALLENGE_NONCE_LENGTH	16

typedef struct Challenge
{
	uint8_t		purpose;
	int64_t		issued_at;
	uint8_t		nonce[CHALLENGE_NONCE_LENGTH];
} Challenge;

/*
 * A challenge for an authenticator (domain/passkey_challenge.h).  The browser sends its bytes
 * back in base64url, which is the text of the token.
 */
typedef struct PasskeyChallenge
{
	Challenge	challenge;
	uint8_t		user_id[TOKEN_ID_LENGTH];	/* zeros: any user */
} PasskeyChallenge;

typedef struct PromotionCode
{
	uint8_t		user_id[TOKEN_ID_LENGTH];
	uint8_t		session_id[TOKEN_ID_LENGTH];
	int64_t		expires_at;
} PromotionCode;

#define REFRESH_TOKEN_SEED_LENGTH	32

/*
 * The seed is a secret that stays the same for the life of a session.  The
 * generation counts rotations.  A client that has one generation cannot make the
 * next one, because the tag needs our key.  We can make it again for a client
 * that has lost the response, and need not store it.
 */
typedef struct RefreshToken
{
	uint8_t		user_id[TOKEN_ID_LENGTH];
	uint8_t		session_id[TOKEN_ID_LENGTH];
	uint32_t	generation;
	uint8_t		seed[REFRESH_TOKEN_SEED_LENGTH];
} RefreshToken;

#define BROWSER_FLOW_SECRET_LENGTH	16

/*
 * A flow of pages that a browser has begun (domain/browser_flows.h).  When the flow
 * ends, the value changes from a secret to the secret's proof.
 */
typedef struct BrowserFlow
{
	bool		finished;
	int64_t		started_at;
	uint8_t		value[BROWSER_FLOW_SECRET_LENGTH];
} BrowserFlow;

/*
 * The session of an app that a browser may open (domain/app_session.h), with the time of
 * the login that the browser knows of.
 */
typedef struct AppSession
{
	uint8_t		user_id[TOKEN_ID_LENGTH];
	uint8_t		session_id[TOKEN_ID_LENGTH];
	int64_t		issued_at;
	int64_t		authenticated_at;
} AppSession;

/* Write the text of a token with a terminator. */
extern void token_write_challenge(const Challenge *challenge,
								  const uint8_t key[TOKEN_KEY_LENGTH],
								  char text[TOKEN_TEXT_SIZE]);
extern void token_write_passkey_challenge(const PasskeyChallenge *challenge,
										  const uint8_t key[TOKEN_KEY_LENGTH],
										  char text[TOKEN_TEXT_SIZE]);
extern void token_write_promotion_code(const PromotionCode *code,
									   const uint8_t key[TOKEN_KEY_LENGTH],
									   char text[TOKEN_TEXT_SIZE]);
extern void token_write_refresh_token(const RefreshToken *token,
									  const uint8_t key[TOKEN_KEY_LENGTH],
									  char text[TOKEN_TEXT_SIZE]);
extern void token_write_browser_flow(const BrowserFlow *flow,
									 const uint8_t key[TOKEN_KEY_LENGTH],
									 char text[TOKEN_TEXT_SIZE]);
extern void token_write_app_session(const AppSession *session,
									const uint8_t key[TOKEN_KEY_LENGTH],
									char text[TOKEN_TEXT_SIZE]);

/*
 * Read a token.  Return false for any text that was not written with this key by
 * the function above; the token is then unchanged.  Expiry is not checked.
 */
extern bool token_read_challenge(Challenge *challenge, const uint8_t key[TOKEN_KEY_LENGTH],
								 const char *text, size_t length);
extern bool token_read_passkey_challenge(PasskeyChallenge *challenge,
										 const uint8_t key[TOKEN_KEY_LENGTH],
										 const char *text, size_t length);
extern bool token_read_promotion_code(PromotionCode *code, const uint8_t key[TOKEN_KEY_LENGTH],
									  const char *text, size_t length);
extern bool token_read_refresh_token(RefreshToken *token, const uint8_t key[TOKEN_KEY_LENGTH],
									 const char *text, size_t length);
extern bool token_read_browser_flow(BrowserFlow *flow, const uint8_t key[TOKEN_KEY_LENGTH],
									const char *text, size_t length);
extern bool token_read_app_session(AppSession *session, const uint8_t key[TOKEN_KEY_LENGTH],
								   const char *text, size_t length);

#endif							/* ANON_AUTH_TOKEN_H */
