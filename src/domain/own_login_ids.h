/*-------------------------------------------------------------------------
 *
 * own_login_ids.h
 *	  The login IDs that the user of an account adds and removes.
 *
 * An address is changed by adding the new one and then removing the old one.  So the
 * account can be opened all the time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OWN_LOGIN_IDS_H
#define ANON_AUTH_OWN_LOGIN_IDS_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/login_ids.h"
#include "store/sessions.h"
#include "store/users.h"

/* Return the login IDs of a user as a palloc'd array, the oldest first. */
extern LoginIdRow *own_login_ids_list(const User *user, int *count);

/*
 * Have a code sent to an address, with which the user can add it, and return when it
 * expires.  Result, errors, time and message are the same whether or not an account has
 * the address.  language NULL: the user's locale.  Raises AA010 if the address is not
 * allowed, AA018 beyond the limits of codes, AA022, and AA024 for a guest.
 */
extern TimestampTz own_login_ids_request_code(const User *user, const Session *session,
											  LoginIdType type, const char *value,
											  const char *language, TimestampTz now);

/*
 * Add a login ID to the user's account, and tell the addresses that it had before.  The
 * caller has not locked the user's row.  With a code, the address is verified, and
 * taken from an account that claims it without proof.  Return true also if the account has
 * the login ID already; a code verifies it then.  If it is verified already, the code is not
 * looked at, so that the call can be repeated after its answer was lost.  Return false if
 * the code is wrong, which counts as an attempt.
 *
 * Raises AA009 if another account has it, AA010 if it is malformed, not allowed, not proven
 * although settings.login_id_verification is required, or one too many; AA014; AA018
 * beyond the limits of attempts and look-ups; AA022; AA024 for a guest.
 */
extern bool own_login_ids_add(const User *user, const Session *session, LoginIdType type,
							  const char *value, const char *code, TimestampTz now);

/*
 * Remove a login ID from the user's account, and tell its addresses, also the removed one
 * if it was verified.  Return false if the account does not have it.  If it was verified,
 * all other sessions end, because they may have begun with a code that was sent to it.  The
 * caller holds the user's row.
 *
 * Raises AA022, AA023 if nothing else is left to log in with, and AA024 for a guest.
 */
extern bool own_login_ids_remove(const User *user, const Session *session, LoginIdType type,
								 const char *value, TimestampTz now);

#endif							/* ANON_AUTH_OWN_LOGIN_IDS_H */
