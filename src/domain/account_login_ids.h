/*-------------------------------------------------------------------------
 *
 * account_login_ids.h
 *	  Changes of the login IDs of an account, and of what its row says about them.
 *
 * An account can have several login IDs of one type.  The claim of the type, such as
 * "email", names one of them: the first, and after its removal another one.
 *
 * The caller of each function holds the user's row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ACCOUNT_LOGIN_IDS_H
#define ANON_AUTH_ACCOUNT_LOGIN_IDS_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/login_ids.h"
#include "store/users.h"

/* Return the user's login ID with this value among rows, or NULL. */
extern const LoginIdRow *account_login_ids_find(const LoginIdRow *rows, int count,
												const LoginId *login_id);

/* Add a login ID.  Return false if somebody has it.  Waits for a concurrent insert of it. */
extern bool account_login_ids_add(const User *user, const LoginId *login_id, bool verified,
								  TimestampTz now);

/* Mark one as verified.  original_value is the spelling that was proven. */
extern void account_login_ids_verify(const User *user, const LoginIdRow *row,
									 const char *original_value, TimestampTz now);

/* Delete one. */
extern void account_login_ids_remove(const User *user, const LoginIdRow *row, TimestampTz now);

/* Correct the user's row after the deletion of one. */
extern void account_login_ids_forget(const User *user, const LoginIdRow *row, TimestampTz now);

#endif							/* ANON_AUTH_ACCOUNT_LOGIN_IDS_H */
