/*-------------------------------------------------------------------------
 *
 * authorization.h
 *	  What a browser brings from a client and takes back to it (RFC 6749,
 *	  section 4.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTHORIZATION_H
#define ANON_AUTH_AUTHORIZATION_H

#include "postgres.h"

#include "domain/promotion.h"

/* ---- authorization codes (authorization_code.c) ---- */

/* Whether the client may have its users sent there, compared byte for byte. */
extern bool client_has_redirect_uri(const Client *client, const char *redirect_uri);

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

#endif							/* ANON_AUTH_AUTHORIZATION_H */
