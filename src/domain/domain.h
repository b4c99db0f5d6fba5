/*-------------------------------------------------------------------------
 *
 * domain.h
 *	  The rules: who may sign up, log in, refresh, be promoted, and what a
 *	  token says.
 *
 * The SQL face (src/api) and any other face call these functions; they call
 * the store, the keyring and JOSE.  A function here either did all it says or
 * raised an error; what a caller must not undo by an error (a failed login's
 * event) is a result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DOMAIN_H
#define ANON_AUTH_DOMAIN_H

#include "postgres.h"

#include "base/raise.h"
#include "jose/jose.h"
#include "lib/stringinfo.h"
#include "store/store.h"
#include "token/token.h"

/* Challenges, promotion codes, authorization codes (docs/authgear.md, 0). */
#define SHORT_LIFETIME_SECONDS	300

/* ---- clients (client.c) ---- */

/* Raises AA001. */
extern void client_get(const char *client_id, Client *client);

/*
 * Raise AA002 unless the client is first-party and public.  Upstream refuses
 * m2m clients with another sentence where a device key is used.
 */
extern void client_require_guests(const Client *client, bool with_key);
extern void client_require_first_party(const Client *client);

/* ---- challenges (challenge.c) ---- */

/* Raises 22023 for an unknown purpose. */
extern char *challenge_create(const char *purpose, TimestampTz *expires_at);

/* Raises AA005 unless the text is a live challenge for anonymous requests. */
extern void challenge_open(const Span *text, TimestampTz now, Challenge *challenge);

/*
 * The window of used challenges with this one in it; window may be NULL.
 * Raises AA005 when it was used before.
 */
extern bytea *challenge_use(const bytea *window, const Challenge *challenge, TimestampTz now);

/* ---- signed requests of a device (request_jwt.c) ---- */

typedef enum RequestAction
{
	REQUEST_AUTH,
	REQUEST_PROMOTE
} RequestAction;

typedef struct RequestJwt
{
	char	   *kid;
	JoseAlg		alg;
	Jsonb	   *jwk;			/* public members, or NULL when not sent */
	char	   *thumbprint;		/* of jwk */
	Challenge	challenge;
	JoseCompact parts;			/* of the caller's text */
} RequestJwt;

/*
 * Parses a request JWT (docs/authgear.md, 1.2) and checks all but its
 * signature.  Raises AA003, AA005, AA016.
 */
extern void request_jwt_parse(const char *jwt, size_t length, RequestAction action,
							  TimestampTz now, RequestJwt *request);

/* Raises AA003 unless jwk signed the request with alg. */
extern void request_jwt_verify(const RequestJwt *request, Jsonb *jwk, const char *alg);

/*
 * The device key that signed the request, its challenge now used.  With a jwk in
 * the request, the key is that one; without, it is one of those that have the
 * kid.  False when there is no such key.  Raises AA003, AA005.
 */
extern bool request_jwt_authenticate(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/* Same without using the challenge up. */
extern bool request_jwt_check(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/* ---- tokens (tokens.c) ---- */

typedef struct TokenResponse
{
	pg_uuid_t	sub;
	char	   *access_token;
	int			expires_in;
	char	   *refresh_token;	/* what to refresh with next */
	char	   *id_token;
} TokenResponse;

extern void tokens_issue(const Client *client, const User *user, const Session *session,
						 const char *refresh_token, const char *nonce, TimestampTz now,
						 TokenResponse *response);

/*
 * What an access token of the session would say, as JSON, valid for as long as
 * the session: for a caller who has a cookie instead.
 */
extern char *session_claims(const User *user, const Session *session);

/* The four claims about the user that every token and userinfo have. */
#define USER_CLAIM_PREFIX	"https://authgear.com/claims/user/"
extern void user_claims_add(StringInfo json, const User *user);

/* ---- userinfo (userinfo.c) ---- */

/* OpenID Connect Core, section 5.3; docs/authgear.md, 5.1. */
extern Jsonb *userinfo_make(const User *user);

/*
 * The user of a session, and the same of it; session_id NULL: none is known.
 * Raise AA014 when it is not alive.
 */
extern void session_owner(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
						  TimestampTz now, User *user);
extern Jsonb *userinfo_of_session(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
								  TimestampTz now);

/* ---- JWTs of our own keys (own_jwt.c) ---- */

/*
 * Why no token can have these claims (a JSON object): the parser would refuse
 * them.  NULL: one can.  Claims that the application chose must be checked.
 */
extern const char *own_jwt_refuses(const char *claims, size_t length);

/* Raises AA017 without a usable key, and 54000 if the token would be too long. */
extern char *own_jwt_sign(const char *payload, size_t length, const char *kid, const char *typ);

/*
 * Header and payload of a JWT signed by a key of ours.  Raises AA014 unless
 * well-formed and authentic.
 */
typedef struct OwnJwt
{
	Jsonb	   *header;
	Jsonb	   *claims;
} OwnJwt;

/* Same without raising: NULL, or why it is refused. */
extern const char *own_jwt_open(const char *token, size_t length, OwnJwt *jwt);
extern void own_jwt_authenticate(const char *token, size_t length, OwnJwt *jwt);

/* Checks exp, nbf, iss and aud; audience NULL: ours.  Raises AA014. */
extern void own_jwt_check_claims(const OwnJwt *jwt, const char *audience, TimestampTz now);

typedef struct AccessToken
{
	Jsonb	   *claims;
	pg_uuid_t	sub;
	pg_uuid_t	sid;
} AccessToken;

/* An access token that is valid now.  Raises AA014. */
extern void access_token_verify(const char *token, size_t length, TimestampTz now,
								AccessToken *access);

/* ---- sessions (session.c) ---- */

/* Starts a session of a user and issues its tokens. */
extern void session_start(const Client *client, const User *user, Jsonb *device_info,
						  const char *nonce, TimestampTz authenticated_at, TimestampTz now,
						  TokenResponse *response);

/*
 * The live session of a refresh token and its user, without using it up.
 * Raises AA006, AA007.
 */
extern void session_by_refresh_token(const char *text, TimestampTz now,
									 Session *session, User *user);

/* Raises 22023 where the session is another client's. */
extern void session_require_client(const Session *session, const Client *client);

/*
 * Refreshes.  False when a refresh token was used again after its successor:
 * the session is gone then, and an event tells.  Raises AA006, AA007, 22023.
 */
extern bool session_refresh(const Client *client, const char *refresh_token,
							TimestampTz now, TokenResponse *response);

/* New tokens but the same refresh token, never rotated (docs/authgear.md, 2.1). */
extern void session_resume(const Client *client, const char *refresh_token,
						   TimestampTz now, TokenResponse *response);

/*
 * A new session and what its token says, as far as that does not depend on
 * the kind of session: still without client and expiry, and not stored.
 */
extern void session_make(const User *user, TimestampTz authenticated_at, TimestampTz now,
						 Session *session, RefreshToken *token);

/* When a session that begins now would end without being used. */
extern TimestampTz session_expiry(const Client *client, TimestampTz now);

/* A session's id is a UUIDv7: it tells when the session began. */
extern TimestampTz session_begin(const pg_uuid_t *session_id);

/* Ends a session, which is an event, or does nothing where there is none. */
extern void session_end_now(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							const char *client_id, TimestampTz now);

/* RFC 7009: ends the session of a refresh or access token, or does nothing. */
extern void session_revoke(const char *token, size_t length, TimestampTz now);

/* ---- cookie sessions (cookie_session.c) ---- */

/*
 * Starts a session whose secret a browser keeps in a cookie, and returns the
 * cookie's value.  client_id may be NULL.
 */
extern char *cookie_session_start(const char *client_id, const User *user,
								  const BrowserPolicy *policy, TimestampTz now);

/* When a cookie session that begins now would end without being used. */
extern TimestampTz cookie_session_expiry(const BrowserPolicy *policy, TimestampTz now);

/*
 * The live session of a cookie, and its user.  False when there is none, for
 * whatever reason, a disabled user being one.
 */
extern bool cookie_session_find(const char *cookie, TimestampTz now,
								Session *session, User *user);

/* Moves the session's expiry, where the transaction may write. */
extern void cookie_session_touch(const Session *session, const BrowserPolicy *policy,
								 TimestampTz now);

/* ---- guests (guest.c) ---- */

extern void guest_authenticate_with_key(const Client *client, const char *jwt, size_t length,
										Jsonb *device_info, TimestampTz now,
										TokenResponse *response);
extern void guest_sign_up_without_key(const Client *client, Jsonb *device_info,
									  TimestampTz now, TokenResponse *response);

/* Same with a cookie session; client NULL: none was named. */
extern char *guest_sign_up_with_cookie(const Client *client, const BrowserPolicy *policy,
									   TimestampTz now);
extern void guest_resume(const Client *client, const char *refresh_token,
						 TimestampTz now, TokenResponse *response);

/* ---- passwords (password.c) ---- */

/* Raises AA011 with all that is wrong with a password. */
extern void password_check_policy(const char *password, const AccountPolicy *policy);
extern char *password_make_hash(const char *password, const AccountPolicy *policy);

/* Wait as long as a hash takes, without the work. */
extern void password_wait(void);

/* What password_check() has found. */
typedef struct PasswordMatch
{
	char	   *hash;			/* NULL: it is not the password */
	char	   *new_hash;		/* to take its place, as the cost was raised; or NULL */
} PasswordMatch;

/*
 * Whether it is the user's password, taking the same time when there is no
 * such user (user_id NULL).  Takes no lock, so that none is held for so long.
 */
extern bool password_check(const pg_uuid_t *user_id, const char *password,
						   const AccountPolicy *policy, PasswordMatch *match);

/*
 * Whether it still is, now that the user is locked: another may have been set
 * meanwhile.  If so, does what the match says.
 */
extern bool password_confirm(const pg_uuid_t *user_id, const char *password,
							 const AccountPolicy *policy, const PasswordMatch *match,
							 TimestampTz now);

/* ---- login (login.c) ---- */

/* False on wrong credentials, which is an event. */
extern bool login_authenticate(const Client *client, const char *login_id,
							   const char *password, TimestampTz now, TokenResponse *response);

/* Same without tokens: fills user. */
extern bool login_verify(const Client *client, const char *login_id, const char *password,
						 TimestampTz now, User *user);

/*
 * Same for a user that is known; user_id NULL: the login ID is nobody's.
 * Raises AA018 and AA019, as all that check a password.
 */
extern bool login_with_password(const Client *client, const pg_uuid_t *user_id,
								const char *login_id, const char *password,
								const AccountPolicy *policy, TimestampTz now, User *user);

/*
 * What login ID a text is, as it is looked up.  False: none could be like that; its
 * value is the text then.
 */
extern bool login_id_read(const char *text, const AccountPolicy *policy, LoginId *login_id);

/*
 * Who has a login ID, whatever the settings allow by now; NULL: nobody.  Fills
 * user_id, and login_id, whose value is what spellings of it have in common; it
 * is the text itself where it is no login ID.
 */
extern const pg_uuid_t *login_id_find_owner(const char *text, const AccountPolicy *policy,
											pg_uuid_t *user_id, LoginId *login_id);

/*
 * Where messages to an e-mail address or phone number go: as it was given, but
 * for characters that stand for others (full width, ligatures, a sharp s).  What somebody
 * reads there must be proof of the address that userinfo names.
 */
extern const char *login_id_address(const LoginIdRow *row);

/* Whether it could be a login ID of this type, whatever the settings allow. */
extern bool login_id_is_well_formed(LoginIdType type, const char *text);

/* ---- verification and password reset (verification.c, password_reset.c) ---- */

/*
 * Has a code sent to a user's address of this type, and tells when it expires.
 * False: that is verified already.  Raises 22023 where there is no such
 * address, AA018.
 */
extern bool verification_request(const User *user, LoginIdType type, TimestampTz now,
								 TimestampTz *expires_at);

/* False: not the code, or it is dead; the attempt counts. */
extern bool verification_complete(const User *user, LoginIdType type, const char *code,
								  TimestampTz now);

/* Same for whoever has a login ID, if anybody does.  Raise AA018, AA011. */
extern void password_reset_request(const char *login_id, TimestampTz now);
extern bool password_reset_complete(const char *login_id, const char *code,
									const char *password, TimestampTz now);

/* ---- discovery (discovery.c) ---- */

/* OpenID Connect Discovery, section 3, as JSON. */
extern char *openid_configuration_make(void);

/* ---- who is calling (identity.c) ---- */

/*
 * The claims of the caller: verified by use_access_token(), or those of
 * request.jwt.claims where the settings trust it.  NULL: nobody.
 */
typedef struct Identity
{
	Jsonb	   *claims;
	pg_uuid_t	sub;
	bool		has_sid;
	pg_uuid_t	sid;
	bool		has_is_anonymous;
	bool		is_anonymous;
} Identity;

extern const Identity *identity_current(void);

/*
 * The user of an access token or, with token NULL, of the current identity.
 * Raises AA014 unless the session is alive.
 */
extern void identity_user(const Span *token, TimestampTz now, User *user);

/* Takes over claims that were verified, as JSON. */
extern void identity_set(const char *claims, bool is_local);

/* ---- administration of users (user_admin.c) ---- */

/* Each raises 42704 for an unknown user. */
extern void user_admin_get(const pg_uuid_t *id, User *user);
extern void user_admin_disable(const pg_uuid_t *id, TimestampTz now);
extern void user_admin_enable(const pg_uuid_t *id, TimestampTz now);
extern void user_admin_delete(const pg_uuid_t *id, TimestampTz now);
extern uint64 user_admin_revoke_sessions(const pg_uuid_t *id, TimestampTz now);

/* Seconds since 1970, as JWTs count. */
static inline int64
unix_seconds(TimestampTz time)
{
	return (time + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / USECS_PER_SEC;
}

#endif							/* ANON_AUTH_DOMAIN_H */
