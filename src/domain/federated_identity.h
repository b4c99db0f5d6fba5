/*-------------------------------------------------------------------------
 *
 * federated_identity.h
 *	  Identities of accounts at other providers: login, adding and removing.
 *
 * An ID token works once.  The row of an identity keeps the challenges that its tokens
 * have used; when the identity is removed, removed_identities keeps them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_FEDERATED_IDENTITY_H
#define ANON_AUTH_FEDERATED_IDENTITY_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/provider_id_token.h"
#include "store/clients.h"
#include "store/login_ids.h"
#include "store/user_identities.h"
#include "store/users.h"

/* The "login_id_type" of AA009 if an account has the identity. */
#define FEDERATED_IDENTITY_TYPE "identity"

/* ---- for callers that have opened an ID token ---- */

typedef enum FederatedIdentityState
{
	FEDERATED_IDENTITY_UNKNOWN, /* no account has it */
	FEDERATED_IDENTITY_KNOWN,	/* an account has it */
	FEDERATED_IDENTITY_REPLAYED /* the token was used before: the result is no row */
} FederatedIdentityState;

/*
 * Find the row of an identity, without a lock.  row->user_id is the nil UUID if no account
 * has it.  Callers call this before they change anything.
 */
extern FederatedIdentityState federated_identity_find(const ProviderIdentity *identity,
													  TimestampTz now, UserIdentity *row);

/*
 * Log in to the account of an identity, whose row federated_identity_find() has found: use the token up, with an event and in the
 * statistics.  Return false, with the event of a failed login, if the token was used
 * before, the identity was removed, or the user is disabled.  If true, user is filled and
 * its row is held.  Starts no session.
 */
extern bool federated_identity_log_in(const Client *client, const ProviderIdentity *identity,
									  const UserIdentity *row, TimestampTz now, User *user);

/*
 * Give an identity to an account, whose row the caller holds, and use the token up.
 * Return false if another account has it.  Waits for a concurrent insert of it.
 * Raises AA028 if the token was used before the identity was removed from an account,
 * after federated_identity_find() was called.
 */
extern bool federated_identity_insert(const ProviderIdentity *identity, const pg_uuid_t *user_id,
									  TimestampTz now);

/*
 * Log in to an account whose verified address the token proves, and give it the identity:
 * only so can the token be used up.  Otherwise as federated_identity_log_in().  Raises
 * AA009 if another transaction gave the identity to an account.
 */
extern bool federated_identity_join(const Client *client, const ProviderIdentity *identity,
									const pg_uuid_t *owner, TimestampTz now, User *user);

/*
 * Whether the token proves a verified e-mail address of an account.  Providers differ in how
 * they write upper and lower case; with other spellings that the settings equate, the
 * mailbox may be another one.
 */
extern bool federated_identity_proves(const ProviderIdentity *identity, const LoginIdRow *row);

/*
 * Whether an account has the address that the token proves, verified: such a caller
 * should log in to it, and then add the identity.  False if the token proves none.
 */
extern bool federated_identity_email_has_account(const ProviderIdentity *identity);

/* ---- SQL functions ---- */

/*
 * Log in with an ID token and fill response with the tokens of a new session.  Return
 * false as federated_identity_log_in().  Raises AA002 for the client, AA025, AA028, and
 * AA030 if no account has the identity.
 */
extern bool federated_identity_authenticate(const Client *client, const char *token,
											const char *nonce, const DeviceReport *device,
											TimestampTz now, TokenResponse *response);

/*
 * Add the identity of an ID token to the caller's account.  Return false if the token was
 * used before; true also if the account has the identity already, whether the token was
 * used before or not.  The account's addresses get a notice.  Raises AA022, AA024 for a
 * guest, AA025, AA028, and AA030 if another account has the identity.  The caller holds the
 * user's row.
 */
extern bool federated_identity_add(const User *user, const Session *session, const char *token,
								   const char *nonce, TimestampTz now);

/* Return the identities of an account as a palloc'd array, the oldest first. */
extern UserIdentity *federated_identity_list(const User *user, int *count);

/*
 * Remove the identities at a provider from the caller's account.  Return false if there is
 * none.  Ends all other sessions, because they may have begun with the identity, and sends
 * a notice.  Raises AA022, AA024 for a guest, and AA023 if nothing else is left to log in
 * with.  The caller holds the user's row.
 */
extern bool federated_identity_remove(const User *user, const Session *session,
									  const char *issuer, TimestampTz now);

/* ---- for callers that delete or take over an account ---- */

/* Remove all identities of a user, whose row the caller holds. */
extern void federated_identity_remove_all(const User *user, TimestampTz now);

#endif							/* ANON_AUTH_FEDERATED_IDENTITY_H */
