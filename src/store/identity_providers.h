/*-------------------------------------------------------------------------
 *
 * identity_providers.h
 *	  The table anon_auth.identity_providers: issuers of ID tokens, with their keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_IDENTITY_PROVIDERS_H
#define ANON_AUTH_IDENTITY_PROVIDERS_H

#include "postgres.h"

#include "store/record.h"

#define IDENTITY_PROVIDER_STATE_COLUMNS(COLUMN) \
	COLUMN(TEXT, issuer) \
	COLUMN(TIMESTAMP, keys_set_at)	/* 0: the keys were never set */

#define IDENTITY_PROVIDER_COLUMNS(COLUMN) \
	IDENTITY_PROVIDER_STATE_COLUMNS(COLUMN) \
	COLUMN(TEXT_LIST, audiences) \
	COLUMN(TEXT_LIST, algorithms) \
	COLUMN(BOOL, trust_email) \
	COLUMN(JSONB, jwks)				/* NULL: the keys were never set */

/* Where only the state was read, the other fields are zero. */
typedef struct IdentityProvider
{
	IDENTITY_PROVIDER_COLUMNS(RECORD_FIELD)
} IdentityProvider;

/* False if there is no such provider. */
extern bool identity_providers_find(const char *issuer, IdentityProvider *provider);

/* Read the states of all providers, in the order of their issuers; palloc'd. */
extern IdentityProvider *identity_providers_all(int *count);

/* Store the keys of a provider.  False if there is no such provider. */
extern bool identity_providers_set_keys(const char *issuer, Jsonb *jwks, TimestampTz now);

#endif							/* ANON_AUTH_IDENTITY_PROVIDERS_H */
