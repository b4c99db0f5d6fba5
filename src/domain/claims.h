/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  The claims about a user in access tokens, ID tokens and userinfo
 *	  (docs/authgear.md, sections 5.1 to 5.3).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CLAIMS_H
#define ANON_AUTH_CLAIMS_H

#include "postgres.h"

#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/* Names of claims that begin with this belong to the server. */
#define USER_CLAIM_PREFIX	"https://authgear.com/claims/user/"

/* The tokens of a login or refresh. */
typedef struct TokenResponse
{
	pg_uuid_t	sub;
	const char *token_type;		/* Bearer, or DPoP if the access token is bound to a key */
	char	   *access_token;
	int			expires_in;		/* seconds, of the access token */
	char	   *refresh_token;	/* to refresh with next; NULL: none */
	char	   *id_token;
} TokenResponse;

/*
 * Sign an access token (RFC 9068) and an ID token (OpenID Connect Core, section
 * 2) of a session and fill response.  nonce goes into the ID token; it and
 * refresh_token may be NULL.  Runs the hook settings.access_token_claims.  Raises
 * AA017 without a usable signing key, AA020 if the hook refuses.
 */
extern void claims_issue_tokens(const Client *client, const User *user, const Session *session,
								const char *refresh_token, const char *nonce, TimestampTz now,
								TokenResponse *response);

/*
 * Return an ID token of a session with the user's present claims.  Raises AA017.  user is
 * the whole row.
 */
extern char *claims_issue_id_token(const Client *client, const User *user,
								   const Session *session, TimestampTz now);

/*
 * Return the claims of an access token as JSON, without signing one: for a
 * caller that has a cookie session instead.  They expire with the session.
 * Raises AA020 as claims_issue_tokens().
 */
extern char *claims_of_session(const User *user, const Session *session);

/* Return the role that the claim "role" names: settings.token_role. */
extern const char *claims_token_role(void);

/*
 * Return the claims that userinfo answers: the standard attributes, and over
 * them everything that the server itself knows of the user.
 */
extern Jsonb *claims_userinfo(const User *user);

#endif							/* ANON_AUTH_CLAIMS_H */
