/*-------------------------------------------------------------------------
 *
 * password_change.h
 *	  Replacing the password of an account whose owner may have lost it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_CHANGE_H
#define ANON_AUTH_PASSWORD_CHANGE_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

/*
 * Store the hash of a new password, and end everything that the former one gave:
 * sessions, authorization codes, one-time codes, and a lockout.  The account may have no
 * password yet.  The caller has locked the user's row; this updates it, so that a login
 * with an older snapshot, which still finds the former password, fails.
 */
extern void password_change_apply(const pg_uuid_t *user_id, const char *hash, TimestampTz now);

#endif							/* ANON_AUTH_PASSWORD_CHANGE_H */
