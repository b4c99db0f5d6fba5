/*-------------------------------------------------------------------------
 *
 * user_identities.h
 *	  The tables anon_auth.user_identities and anon_auth.removed_identities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_IDENTITIES_H
#define ANON_AUTH_USER_IDENTITIES_H

#include "postgres.h"

#include "store/record.h"
#include "store/users.h"

/*
 * An identity is issuer and subject: providers may have users with the same subject.
 * used_challenges is the window of src/token.
 */
#define USER_IDENTITY_COLUMNS(COLUMN) \
	COLUMN(TEXT, issuer) \
	COLUMN(TEXT, subject) \
	COLUMN(UUID, user_id) \
	COLUMN(JSONB, claims) \
	COLUMN(BYTEA, used_challenges)

#define USER_IDENTITY_ROW_COLUMNS(COLUMN) \
	USER_IDENTITY_COLUMNS(COLUMN) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, last_used_at)

typedef struct UserIdentity
{
	USER_IDENTITY_ROW_COLUMNS(RECORD_FIELD)
} UserIdentity;

/* The route (see route.h) of an identity. */
extern pg_uuid_t user_identities_route(const char *issuer, const char *subject);

/* False if no account has the identity. */
extern bool user_identities_find(const char *issuer, const char *subject, UserIdentity *identity);

/* The identities of an account, palloc'd, the oldest first. */
extern UserIdentity *user_identities_of(const User *user, int *count);

/*
 * Insert an identity; its times are not read.  False if an account has it already.
 * Waits for a concurrent insert of it.
 */
extern bool user_identities_insert(const UserIdentity *identity, TimestampTz now);

/*
 * Replace used_challenges, and add the claims.  identity is as it was read.  False if
 * another transaction changed used_challenges meanwhile, or the identity is gone.
 */
extern bool user_identities_use(const UserIdentity *identity, bytea *used_challenges,
								Jsonb *claims, TimestampTz now);

/* Delete an identity, and keep the challenges that it has used.  False if it is gone. */
extern bool user_identities_remove(const UserIdentity *identity, TimestampTz now);

/* The challenges that user_identities_remove() kept, as committed by now, or NULL. */
extern bytea *user_identities_removed_challenges(const char *issuer, const char *subject);

#endif							/* ANON_AUTH_USER_IDENTITIES_H */
