/*-------------------------------------------------------------------------
 *
 * user_creation.h
 *	  Accounts that an administrator makes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_CREATION_H
#define ANON_AUTH_USER_CREATION_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/users.h"

/* NULL: none. */
typedef struct UserCreation
{
	char	   *login_ids[LOGIN_ID_TYPES];
	char	   *password;
	bool		verified;		/* the e-mail address and the phone number are proven */
	ImportedState state;
} UserCreation;

/*
 * Make an account, with the event user.created, and return its id.  The rules for login IDs,
 * passwords and proofs are those of sign_up_account().  No hook runs and no limit of sign-ups
 * applies: they are there for strangers.  Takes verified addresses from accounts that claim
 * them without proof.  The list of roles is changed.
 *
 * Raises 22023 without a login ID, and for attributes or roles that no user can have; AA009
 * if an account has a login ID; AA010; AA011.
 */
extern pg_uuid_t user_creation_run(UserCreation *creation, TimestampTz now);

#endif							/* ANON_AUTH_USER_CREATION_H */
