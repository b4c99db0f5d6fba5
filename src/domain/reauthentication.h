/*-------------------------------------------------------------------------
 *
 * reauthentication.h
 *	  A user who is known logs in again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REAUTHENTICATION_H
#define ANON_AUTH_REAUTHENTICATION_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/settings.h"
#include "store/users.h"

/* How a user can log in again. */
typedef struct ReauthenticationWays
{
	pg_uuid_t	user_id;
	bool		has_password;
	bool		has_passkey;	/* that a page can ask for */
	int			count;			/* of addresses */
	LoginIdRow *addresses;		/* verified ones that codes can be sent to, the oldest first */
	const LoginIdRow *known_as; /* the login ID that the user knows the account by, or NULL */
} ReauthenticationWays;

/* Find the ways of a user.  A guest, a disabled user and a deleted one have none. */
extern void reauthentication_find_ways(const pg_uuid_t *user_id, const AccountPolicy *policy,
									   ReauthenticationWays *ways);

/*
 * Return an address so that only its user recognizes it: with dots in place of most
 * characters.
 */
extern char *reauthentication_masked(const LoginIdRow *login_id);

#endif							/* ANON_AUTH_REAUTHENTICATION_H */
