/*-------------------------------------------------------------------------
 *
 * reclaimed_account.h
 *	  An account that somebody opened with another person's address, and that the owner
 *	  of the address takes over by proving it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RECLAIMED_ACCOUNT_H
#define ANON_AUTH_RECLAIMED_ACCOUNT_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/users.h"

/*
 * Mark an address of the user as verified, and remove everything else that may belong to
 * another person who opened the account: sessions, codes, password, identities and
 * addresses without proof.  A username stays: nobody can log in with it alone.  recipient is the spelling of
 * the address that was proven.  The caller holds the user's row, and no login ID of the
 * user is verified.  client_id, for the event, may be NULL.  Fills user again.
 */
extern void reclaimed_account_reset(const char *client_id, const LoginId *address,
									const char *recipient, TimestampTz now, User *user);

#endif							/* ANON_AUTH_RECLAIMED_ACCOUNT_H */
