/*-------------------------------------------------------------------------
 *
 * authorization.h
 *	  Authorization requests and authorization codes with PKCE (RFC 6749, section
 *	  4.1; RFC 7636).
 *
 * A client sends the browser with a request.  When the user has logged in, the
 * browser takes a code back to the client, which exchanges it for tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTHORIZATION_H
#define ANON_AUTH_AUTHORIZATION_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/guest_proof.h"
#include "domain/id_token_hint.h"
#include "store/clients.h"
#include "store/users.h"

/*
 * Raise 22023 unless a PKCE code challenge is well-formed and its method is S256
 * (RFC 7636, section 4.2).
 */
extern void authorization_check_pkce(const char *code_challenge,
									 const char *code_challenge_method);

/* Raise 22023 unless a text has the form of a code verifier. */
extern void authorization_check_verifier(const char *code_verifier);

/* Return whether a code verifier is that of a code challenge. */
extern bool authorization_verifier_matches(const char *code_verifier,
										   const char *code_challenge);

/* max_age of a request that has none. */
#define MAX_AGE_NONE	(-1)

/* A request of a client (RFC 6749, section 4.1.1), kept until its user has logged in. */
typedef struct AuthorizationRequest
{
	char	   *client_id;
	char	   *redirect_uri;
	bool		wants_code;		/* response_type code, otherwise none */
	char	   *state;			/* may be NULL, as the next four */
	char	   *code_challenge;
	char	   *nonce;
	char	   *ui_locales;
	char	   *login_hint;		/* a login ID to fill in; the text has it encrypted */
	bool		offline_access; /* the scope: a refresh token is wanted */
	int64		max_age;		/* in seconds, or MAX_AGE_NONE */
	bool		has_guest;		/* to promote; otherwise a regular user logs in */
	GuestTicket ticket;			/* of the guest */
	bool		wants_account;	/* without a guest: the page is that of the sign-up */
	bool		opens_settings; /* redirect_uri is a settings page of ours, not the client's */
	bool		has_new_password;	/* the user has just chosen one: the page says so */
	bool		has_hint;		/* an id_token_hint: only its user may log in */
	pg_uuid_t	hint_user_id;
	pg_uuid_t	hint_session_id;	/* nil if it is another client's */
	pg_uuid_t	source_session_id;	/* that shows the user without a login, or nil; not in the text */
	Jsonb	   *device_info;	/* for the session of the code, or NULL; not in the text */
	const char *dpop_jkt;		/* of the key that the exchange must show, or NULL */
	TimestampTz authenticated_at;	/* of a login before the request, or 0; not in the text */
	char	   *browser;		/* secret that the browser must show */
	TimestampTz expires_at;
} AuthorizationRequest;

/*
 * Restrict a request to the user of an ID token (OpenID Connect Core, section 3.1.2.1).
 * client is the one that makes the request.  Return false if that user cannot log in: it
 * is a guest, disabled or gone.
 */
extern bool authorization_request_set_hint(AuthorizationRequest *request, const Client *client,
										   const IdTokenHint *hint);

/* Return the only user who can log in, or NULL. */
extern const pg_uuid_t *authorization_request_user(const AuthorizationRequest *request);

/* Return whether the request lets this user log in. */
extern bool authorization_request_allows(const AuthorizationRequest *request, const User *user);

/*
 * Return a new authorization code for a user who has just logged in by the methods amr
 * (auth_methods.h), or at authenticated_at if that is set, and set *expires_at.  Reads
 * redirect_uri, code_challenge, nonce, offline_access, device_info, dpop_jkt, source_session_id
 * and the hint of the request, which the caller has checked.  Raises 22023 unless
 * authorization_request_allows() the user.
 */
extern char *authorization_code_create(const Client *client, const User *user,
									   const StringList *amr,
									   const AuthorizationRequest *request, TimestampTz now,
									   TimestampTz *expires_at);

/*
 * Exchange a code for a session and its tokens (RFC 6749, section 4.1.3).
 *
 * If the request had an id_token_hint and no offline_access, the session of the hint
 * continues with a new auth_time, provided that it lives and is this client's.
 * Otherwise a session begins.  It has a refresh token if the request had offline_access,
 * or if the client's refresh_token_without_offline_access is on.  Without a device_info
 * in the report, the session gets that of the request.
 *
 * Return false if the code was used before.  The session that it gave has then ended,
 * also if the transaction is rolled back, unless the other exchange was concurrent.
 * Raises AA002 for the client, AA007 for a disabled user, AA012 if the code is unknown,
 * expired, another client's, or does not match the verifier, or if the session has ended that
 * it was issued from, or if code or continued session is bound to another key, AA026 and AA027
 * if the proof of that key is missing or bad, 22023 for a malformed verifier or another redirect URI.
 */
extern bool authorization_code_exchange(const Client *client, const char *code,
										const char *redirect_uri, const char *code_verifier,
										const DeviceReport *device, TimestampTz now,
										TokenResponse *response);

/*
 * Return the request as authenticated text, with a hash of browser.  The login hint is
 * encrypted, because a browser keeps the address of each page.
 */
extern char *authorization_request_write(const AuthorizationRequest *request);

/*
 * Fill request and client from such a text.  browser is the secret from the
 * browser's cookie, or NULL.  Return false unless the text is authentic, has not
 * expired, and belongs to this browser, and the client still has the redirect
 * URI: an administrator may have removed either since the request was accepted.
 */
extern bool authorization_request_read(const char *text, const char *browser, TimestampTz now,
									   AuthorizationRequest *request, Client *client);

/*
 * Fill in the client, and the redirect URI, state and ui_locales of the request, from a
 * text that may have expired or may belong to another browser.  So this is only good for
 * a link back to the client.  Return false as authorization_request_read() does.
 */
extern bool authorization_request_origin(const char *text, AuthorizationRequest *request,
										 Client *client);

#endif							/* ANON_AUTH_AUTHORIZATION_H */
