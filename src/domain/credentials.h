/*-------------------------------------------------------------------------
 *
 * credentials.h
 *	  The credentials of an account: everything that somebody can log in to it with.
 *
 * A credential is a complete way in: a password together with a login ID, a verified
 * address, an identity at a provider, a passkey, or a device key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CREDENTIALS_H
#define ANON_AUTH_CREDENTIALS_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/users.h"

/*
 * What an account has.  A caller that removes something counts it off, and then calls
 * credentials_open_account().
 */
typedef struct Credentials
{
	bool		has_password;
	int			login_ids;		/* of every type */
	int			verified_addresses;
	int			identities;
	int			device_keys;
	int			passkeys;
} Credentials;

/* Fill in what an account has.  For a change, the caller holds its row, and read user since. */
extern void credentials_of(const User *user, Credentials *credentials);

/* Whether these are enough to log in. */
extern bool credentials_open_account(const Credentials *credentials);

/* Whether they are enough without one login ID of them. */
extern bool credentials_open_account_without(const Credentials *credentials,
											 const LoginIdRow *login_id);

#endif							/* ANON_AUTH_CREDENTIALS_H */
