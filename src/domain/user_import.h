/*-------------------------------------------------------------------------
 *
 * user_import.h
 *	  Accounts of another system, with the ids and passwords that they have there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_IMPORT_H
#define ANON_AUTH_USER_IMPORT_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/users.h"

/* NULL: none. */
typedef struct UserImport
{
	pg_uuid_t	id;
	char	   *login_ids[LOGIN_ID_TYPES];
	bool		verified;		/* the e-mail address and the phone number are proven */
	char	   *password_hash;	/* imported_hash.h */
	ImportedState state;
} UserImport;

/* Raise 22023 unless both attributes are objects. */
extern void user_import_check_attributes(const ImportedState *state);

/*
 * Insert an account, with an event.  The list of roles is changed.  Takes verified addresses from accounts that claim them
 * without proof, as a promotion does.  No hook runs, no limit of sign-ups applies, and
 * the password is not held to the policy: only its hash is known.
 *
 * Raises AA009 if an account has a login ID, AA010 for a login ID that is malformed or
 * not allowed, 22023 for a hash, attributes or roles that cannot be imported, and 23505 if the
 * user exists.
 */
extern void user_import(UserImport *import, TimestampTz now);

#endif							/* ANON_AUTH_USER_IMPORT_H */
