/*-------------------------------------------------------------------------
 *
 * account_request.h
 *	  What a promotion or sign-up asks for: login IDs, a password, an identity at
 *	  another provider, and proofs that they are the caller's.
 *
 * A code proves an e-mail address or a phone number, an ID token proves an identity, and
 * the address in it if the provider is trusted.  The response of an authenticator creates a
 * passkey for the account, or proves the account of a passkey.  An account needs a password
 * only if it has nothing else of these.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ACCOUNT_REQUEST_H
#define ANON_AUTH_ACCOUNT_REQUEST_H

#include "postgres.h"

#include "domain/federated_identity.h"
#include "domain/login_code.h"
#include "domain/passkey.h"
#include "domain/provider_id_token.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/login_ids.h"
#include "store/settings.h"
#include "store/user_identities.h"
#include "store/users.h"

/* As given; NULL: not given. */
typedef struct AccountRequest
{
	char	   *login_ids[LOGIN_ID_TYPES];
	char	   *password;
	char	   *code;			/* sent to the e-mail address or phone number; that of a link
								 * names its address, which can be left out */
	char	   *id_token;
	char	   *nonce;			/* see provider_id_token_open() */
	Jsonb	   *passkey;		/* see passkey_response_read() */
} AccountRequest;

/*
 * Set the login ID of a request for a caller that does not know its type, which is guessed as
 * at a login.
 */
extern void account_request_set_login_id(AccountRequest *request, char *login_id);

/* A request that was checked. */
typedef struct AccountPlan
{
	AccountPolicy policy;
	const pg_uuid_t *asker;		/* the guest; NULL: sign_up() */
	int			count;			/* of login IDs */
	LoginId		login_ids[LOGIN_ID_TYPES];
	bool		is_proven[LOGIN_ID_TYPES];	/* of each of them */
	bool		is_read[LOGIN_ID_TYPES];	/* for account_request_holder() */
	LoginIdRow	holders[LOGIN_ID_TYPES];
	char	   *password;
	const LoginId *code_address;	/* that the code proves; NULL: no code */
	LoginCode	code;
	bool		has_identity;
	ProviderIdentity identity;
	FederatedIdentityState identity_state;
	UserIdentity identity_row;	/* if the identity is known */
	bool		has_passkey;
	PasskeyResponse passkey;	/* it creates a passkey, or uses that of an account */
	Passkey		passkey_row;	/* the one that it uses */
} AccountPlan;

/*
 * Check a request and fill plan.  Codes for asker are accepted: see login_code.h.
 * Return false if the code is wrong or the ID token was used before, which is a failed
 * login and an event.  Nothing is used up and nothing is looked up that tells about
 * other users, except to the one who proves an identity.
 *
 * Raises 22023 for a missing or superfluous argument, AA010 for a login ID that is
 * malformed or not allowed, AA018 beyond the limits of codes, AA025 and AA028 for the ID
 * token, AA029 for the passkey.
 */
extern bool account_request_check(const AccountRequest *request, const Client *client,
								  const pg_uuid_t *asker, TimestampTz now, AccountPlan *plan);

/*
 * Fill the plan of an account whose login IDs another system vouches for.  If verified, its
 * addresses are proven.  Raises AA010 for a login ID that is malformed or not allowed.
 */
extern void account_request_plan_import(char *const *login_ids, bool verified, AccountPlan *plan);

/*
 * Return the row of a login ID, or NULL if nobody has it.  The first call for it reads the
 * row, without a lock.
 */
extern const LoginIdRow *account_request_holder(AccountPlan *plan, int i);

/* An account that has something that a request asks for. */
typedef struct ExistingAccount
{
	pg_uuid_t	id;
	bool		is_proven;		/* by the code, the identity, or the passkey */
	const char *type;			/* for raise_identity_exists() */
} ExistingAccount;

/*
 * Find the account that has one of the login IDs, the identity or the passkey.  One that claims a proven
 * address without proof does not count: account_request_take_addresses() takes it.  Raises
 * AA009 if an account is found and may_log_in is false, and if there are several, because
 * no client can be logged in to both.
 */
extern bool account_request_find_existing(AccountPlan *plan, bool may_log_in,
										  ExistingAccount *account);

/*
 * Raise AA010 for an address that is not proven although settings.login_id_verification is
 * required.
 */
extern void account_request_require_proofs(const AccountPlan *plan);

/* Return how the caller has authenticated: auth_methods.h. */
extern StringList account_request_methods(const AccountPlan *plan);

/* ---- making the account ---- */

/*
 * Use up the code.  Return false if another transaction has, which is a failed login of
 * the asker and an event.  To be called when everything else is certain, and before the
 * rows below are locked.
 */
extern bool account_request_use_code(const AccountPlan *plan, const Client *client,
									 TimestampTz now);

/*
 * Take the proven addresses from accounts that claim them without proof.  Locks those
 * accounts, so it comes before the row of the new account is locked.  Accounts that claim
 * one since account_request_holder() has read its row are left to account_request_insert(),
 * except after the time that a password's hash takes.
 */
extern void account_request_take_addresses(AccountPlan *plan, const char *client_id,
										   TimestampTz now);

/* Fill in what the row of the account says. */
extern void account_request_fill_state(const AccountPlan *plan, AccountState *state);

/*
 * Insert login IDs, password, identity and passkey of an account, whose row the caller holds.
 * password_hash is NULL without a password.  If another transaction took one of them, raise
 * AA009, or AA030 for a sign-up that has proven it; the code can then be used again.  An
 * address that another transaction has claimed without proof does not stop a promotion that
 * has proven it.
 */
extern void account_request_insert(const AccountPlan *plan, const char *client_id,
								   const pg_uuid_t *user_id, const char *password_hash,
								   TimestampTz now);

/* The members of an event about the account: a JSON object. */
extern Jsonb *account_request_event(const AccountPlan *plan);

#endif							/* ANON_AUTH_ACCOUNT_REQUEST_H */
