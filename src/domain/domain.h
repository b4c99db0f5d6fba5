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

#include "compat.h"
#include "jose/jose.h"
#include "lib/stringinfo.h"
#include "store/app_tables.h"
#include "store/store.h"
#include "token/token.h"

/* Challenges, promotion codes, authorization codes (authgear facts, 0). */
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
extern void challenge_open(const JoseSpan *text, TimestampTz now, Challenge *challenge);

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
	Challenge	challenge;
	JoseCompact parts;			/* of the caller's text */
} RequestJwt;

/*
 * Parses a request JWT (authgear facts, 1.2) and checks all but its
 * signature.  Raises AA003, AA005, AA016.
 */
extern void request_jwt_parse(const char *jwt, size_t length, RequestAction action,
							  TimestampTz now, RequestJwt *request);

/* Raises AA003 unless jwk signed the request with alg. */
extern void request_jwt_verify(const RequestJwt *request, Jsonb *jwk, const char *alg);

/*
 * The device key that signed the request, its challenge now used.  False when
 * the kid is unknown.  Raises AA003, AA005.
 */
extern bool request_jwt_authenticate(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/* Same without using the challenge up. */
extern bool request_jwt_check(const RequestJwt *request, TimestampTz now, DeviceKey *key);

/* Raises AA004: unknown kid, and no jwk to register. */
pg_noreturn extern void raise_unknown_device_key(void);

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

/* OpenID Connect Core, section 5.3; authgear facts, 5.1. */
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

/* New tokens but the same refresh token, never rotated (authgear facts, 2.1). */
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

/* ---- rate limits (rate_limit.c) ---- */

/*
 * Counts a guest's sign-up, or an attempt at a password: of a user, or with
 * user_id NULL of a login ID that is nobody's, known by its route.  Raises
 * AA018, and AA019 where logins to the user are locked.
 */
extern void rate_limit_sign_up(TimestampTz now);
extern void rate_limit_password(const pg_uuid_t *user_id, const char *login_id, TimestampTz now);

/*
 * Counts a request for a one-time code to be sent to a subject, and an attempt
 * at one, which is an attempt at a password as far as addresses go.  AA018.
 */
extern void rate_limit_code_request(const char *purpose, const char *subject, TimestampTz now);
extern void rate_limit_code_attempt(TimestampTz now);

/* How the attempt ended, for the lockout; the second is an event if it locks. */
extern void lockout_password_right(const pg_uuid_t *user_id, const char *login_id);
extern void lockout_password_wrong(const Client *client, const pg_uuid_t *user_id,
								   const char *login_id, TimestampTz now);

/*
 * For a Retry-After header: in how many seconds what AA018 or AA019 last
 * refused in this backend may be tried again.
 */
extern int	rate_limit_retry_after(void);

/* ---- the client's address (client_address.c) ---- */

/*
 * The address that a request comes from, in one form: an IPv4 address, or the
 * first 64 bits of an IPv6 address.  NULL where it is not known: a socket of
 * this host, a background worker.
 */
extern char *client_address(void);

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
 * Who has a login ID, whatever the settings allow by now; NULL: nobody.  Fills
 * user_id, and login_id, whose value is what spellings of it have in common; it
 * is the text itself where it is no login ID.
 */
extern const pg_uuid_t *login_id_find_owner(const char *text, const AccountPolicy *policy,
											pg_uuid_t *user_id, LoginId *login_id);

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

/* ---- promotion (promotion.c) ---- */

/*
 * Whom a proof stood for, to be kept while the guest fills in a form.  What
 * keeps it sees to it that nobody else can make one.
 */
typedef struct GuestTicket
{
	pg_uuid_t	user_id;
	bool		by_session;		/* which must be alive still */
	pg_uuid_t	session_id;
} GuestTicket;

typedef struct PromotionRequest
{
	char	   *login_ids[LOGIN_ID_TYPES];	/* as given; NULL: not given */
	char	   *password;
	char	   *jwt;			/* exactly one of the four proofs */
	char	   *promotion_code;
	char	   *refresh_token;
	const GuestTicket *ticket;
} PromotionRequest;

extern char *promotion_code_create(const char *refresh_token, TimestampTz now,
								   TimestampTz *expires_at);

/* Same for a session that the caller has found alive. */
extern char *promotion_code_for_session(const Session *session, const User *user,
										TimestampTz now, TimestampTz *expires_at);

/*
 * Checks a proof (jwt or promotion_code of the request) and uses nothing up.
 * Raises what promotion_run() would.
 */
extern void promotion_ticket(const Client *client, const PromotionRequest *request,
							 TimestampTz now, GuestTicket *ticket);

/*
 * Promotes the guest that the proof stands for, or logs in to the account
 * that has the login ID where the settings say so.  user is who is logged in
 * now.  False: that account's password is wrong, which is an event.
 */
extern bool promotion_run(const Client *client, const PromotionRequest *request,
						  TimestampTz now, User *user);

/*
 * For a form that is sent twice: when the guest of the ticket has been
 * promoted to just these login IDs, or merged into the account that has them,
 * logs in with the password.  False when
 * that is wrong, which is an event.  Raises AA008 for other login IDs.
 */
extern bool promotion_repeat(const Client *client, const PromotionRequest *request,
							 TimestampTz now, User *user);

/* ---- merging (merge.c) ---- */

/*
 * Moves what a guest has in the application's tables to a user that the caller
 * has locked, and deletes the guest; session_id, if any, must be alive still.
 * False: the guest is none any more, or disabled, or the session has ended;
 * the caller must raise an error then.  Raises AA021 where a table refuses,
 * and what the hook raises.
 */
extern bool merge_guest(const char *client_id, const User *guest, const pg_uuid_t *session_id,
						const pg_uuid_t *user_id, const char *hook, TimestampTz now,
						AppTable **tables, int *count);

/*
 * Same for an administrator; with dry_run all is undone.  Raises 42704 and
 * 22023 where the two are not a guest and a regular user.
 */
extern void merge_by_admin(const pg_uuid_t *guest_id, const pg_uuid_t *user_id, bool dry_run,
						   TimestampTz now, AppTable **tables, int *count);

/* ---- authorization codes (authorization_code.c) ---- */

/* Each raises 22023. */
extern void client_require_redirect_uri(const Client *client, const char *redirect_uri);
extern void pkce_check(const char *code_challenge, const char *code_challenge_method);

#define NONCE_MAX_LENGTH	255
extern char *authorization_code_create(const Client *client, const User *user,
									   const char *redirect_uri, const char *code_challenge,
									   const char *nonce, TimestampTz now,
									   TimestampTz *expires_at);
extern void authorization_code_exchange(const Client *client, const char *code,
										const char *redirect_uri, const char *code_verifier,
										TimestampTz now, TokenResponse *response);

/* ---- authorization requests (authorization_request.c) ---- */

/* RFC 6749, section 4.1.1: what a browser came with, until its user is done. */
typedef struct AuthorizationRequest
{
	char	   *client_id;
	char	   *redirect_uri;
	bool		wants_code;		/* response_type code, else none */
	char	   *state;			/* may be NULL, as the next three */
	char	   *code_challenge;
	char	   *nonce;
	char	   *ui_locales;
	bool		has_guest;		/* to promote; else a regular user logs in */
	GuestTicket ticket;			/* of the guest */
	char	   *browser;		/* secret that the browser must show */
	TimestampTz expires_at;
} AuthorizationRequest;

/* As text, authenticated; browser goes in as a hash. */
extern char *authorization_request_write(const AuthorizationRequest *request);

/* False unless written by us, in time, and for this browser. */
extern bool authorization_request_read(const char *text, const char *browser, TimestampTz now,
									   AuthorizationRequest *request);

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
extern void identity_user(const JoseSpan *token, TimestampTz now, User *user);

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
