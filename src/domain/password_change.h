/*-------------------------------------------------------------------------
 *
 * password_change.h
 *	  Replacing the password of an account.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_CHANGE_H
#define ANON_AUTH_PASSWORD_CHANGE_H

#include "postgres.h"

#include "store/sessions.h"
#include "store/users.h"

/*
 * Store the hash of a new password, and end everything that the former one gave:
 * sessions, authorization codes, one-time codes, and a lockout.  The session kept, unless
 * that is NULL, does not end.  The account may have no password yet.  The caller has
 * locked the user's row; this updates it, so that a login with an older snapshot, which
 * still finds the former password, fails.
 */
extern void password_change_apply(const User *user, const char *hash, const Session *kept,
								  TimestampTz now);

/*
 * Change the password of a user, and tell the account's addresses.  The caller has not
 * locked the user's row.  old_password is NULL if the account has none.  All other sessions
 * than this one end.  Return false if old_password is wrong, which counts as an attempt at
 * the password.
 *
 * Raises AA011 for new_password, AA014, AA018 and AA019 beyond the limits of attempts,
 * AA022, AA024 for a guest, and 22023 without old_password if the account has one.
 */
extern bool password_change_by_user(const User *user, const Session *session,
									const char *new_password, const char *old_password,
									TimestampTz now);

#endif							/* ANON_AUTH_PASSWORD_CHANGE_H */
