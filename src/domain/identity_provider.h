/*-------------------------------------------------------------------------
 *
 * identity_provider.h
 *	  Providers of OpenID Connect, and the keys with which they sign ID tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_IDENTITY_PROVIDER_H
#define ANON_AUTH_IDENTITY_PROVIDER_H

#include "postgres.h"

#include "base/span.h"
#include "store/identity_providers.h"

/*
 * Store the keys of a provider, a JWK Set (RFC 7517, section 5).  Keys that no ID
 * token can be signed with are left out, with a NOTICE unless they are for another
 * use.  Raises AA016 if the set has a secret or private key, two keys with the same kid,
 * or no key that can be used; 22023 if it is no JWK Set or too large; 42704 without such
 * a provider.
 */
extern void identity_provider_set_keys(const char *issuer, Jsonb *jwks, TimestampTz now);

/* Return the key of a provider with this kid, or NULL. */
extern Jsonb *identity_provider_key(const IdentityProvider *provider, Span kid);

/*
 * Remember, outside the transaction, that a token named a key that the provider's keys
 * do not include: the worker should fetch them.  Does nothing within a minute after they
 * were set.
 */
extern void identity_provider_mark_due(const IdentityProvider *provider, TimestampTz now);

/* A provider whose keys should be fetched, and why: a static word. */
typedef struct DueProvider
{
	const char *issuer;
	TimestampTz keys_set_at;	/* 0: never */
	const char *reason;			/* no_keys, unknown_key, old_keys */
} DueProvider;

/* Return the providers that are due, palloc'd, in the order of their issuers. */
extern DueProvider *identity_provider_due(TimestampTz now, int *count);

#endif							/* ANON_AUTH_IDENTITY_PROVIDER_H */
