/*-------------------------------------------------------------------------
 *
 * id_token_hint.h
 *	  An ID token of ours that a client sends back to name its user: at
 *	  /oauth2/authorize (OpenID Connect Core, section 3.1.2.1) and at
 *	  /oauth2/end_session (RP-Initiated Logout 1.0, section 2).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ID_TOKEN_HINT_H
#define ANON_AUTH_ID_TOKEN_HINT_H

#include "postgres.h"

#include "store/clients.h"
#include "utils/uuid.h"

typedef struct IdTokenHint
{
	pg_uuid_t	sub;
	pg_uuid_t	sid;
	Client		client;			/* the audience: the token was issued to it */
} IdTokenHint;

/*
 * Fill hint from an ID token.  Return false unless a published key of ours has
 * signed the token, its typ is JWT, its iss is that of the settings, sub and sid are
 * UUIDs, and its only audience is a first-party client that still exists.  The token may
 * have expired.  Whether the user and the session still exist is not checked.
 */
extern bool id_token_hint_read(const char *token, IdTokenHint *hint);

#endif							/* ANON_AUTH_ID_TOKEN_HINT_H */
