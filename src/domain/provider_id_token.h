/*-------------------------------------------------------------------------
 *
 * provider_id_token.h
 *	  ID tokens of other providers (OpenID Connect Core, section 3.1.3.7).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROVIDER_ID_TOKEN_H
#define ANON_AUTH_PROVIDER_ID_TOKEN_H

#include "postgres.h"

#include "token/token.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* The identity that an ID token proves. */
typedef struct ProviderIdentity
{
	char	   *issuer;
	char	   *subject;
	Jsonb	   *claims;			/* those about the user's profile, to be stored */
	char	   *email;			/* as the provider writes it; NULL: none */
	bool		email_is_proven;	/* the provider is trusted, and has verified it */
	Challenge	challenge;		/* from the nonce: each identity can use it once */
} ProviderIdentity;

/*
 * Fill identity from an ID token.  nonce is the challenge for whose nonce the client
 * asked the provider, itself or as its SHA-256; NULL: the nonce of the token must be a
 * challenge.  Checks everything except whether the challenge was used before, which
 * federated_identity.h does.  Raises AA028, and AA025 if the provider's keys do not
 * include that of the token.
 */
extern void provider_id_token_open(const char *token, const char *nonce, TimestampTz now,
								   ProviderIdentity *identity);

#endif							/* ANON_AUTH_PROVIDER_ID_TOKEN_H */
