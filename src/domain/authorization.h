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
#include "domain/guest_proof.h"
#include "store/clients.h"
#include "store/users.h"

/*
 * Raise 22023 unless a PKCE code challenge is well-formed and its method is S256
 * (RFC 7636, section 4.2).
 */
extern void authorization_check_pkce(const char *code_challenge,
									 const char *code_challenge_method);

/*
 * Return a new authorization code for a user who has just logged in, and set
 * *expires_at.  nonce may be NULL.  The caller has checked redirect_uri and
 * code_challenge.
 */
extern char *authorization_code_create(const Client *client, const User *user,
									   const char *redirect_uri, const char *code_challenge,
									   const char *nonce, TimestampTz now,
									   TimestampTz *expires_at);

/*
 * Exchange a code for a session and its tokens (RFC 6749, section 4.1.3).  Raises
 * AA002 for the client, AA007 for a disabled user, AA012 if the code is unknown,
 * expired, used, another client's, or does not match the verifier, 22023 for a
 * malformed verifier or another redirect URI.
 */
extern void authorization_code_exchange(const Client *client, const char *code,
										const char *redirect_uri, const char *code_verifier,
										TimestampTz now, TokenResponse *response);

/* A request of a client (RFC 6749, section 4.1.1), kept until its user has logged in. */
typedef struct AuthorizationRequest
{
	char	   *client_id;
	char	   *redirect_uri;
	bool		wants_code;		/* response_type code, otherwise none */
	char	   *state;			/* may be NULL, as the next three */
	char	   *code_challenge;
	char	   *nonce;
	char	   *ui_locales;
	bool		has_guest;		/* to promote; otherwise a regular user logs in */
	GuestTicket ticket;			/* of the guest */
	char	   *browser;		/* secret that the browser must show */
	TimestampTz expires_at;
} AuthorizationRequest;

/* Return the request as authenticated text, with a hash of browser. */
extern char *authorization_request_write(const AuthorizationRequest *request);

/*
 * Fill request and client from such a text.  browser is the secret from the
 * browser's cookie, or NULL.  Return false unless the text is authentic, has not
 * expired, and belongs to this browser, and the client still has the redirect
 * URI: an administrator may have removed either since the request was accepted.
 */
extern bool authorization_request_read(const char *text, const char *browser, TimestampTz now,
									   AuthorizationRequest *request, Client *client);

#endif							/* ANON_AUTH_AUTHORIZATION_H */
