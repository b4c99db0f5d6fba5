/*-------------------------------------------------------------------------
 *
 * unproven_address.h
 *	  Addresses that an account has claimed, and not proven.
 *
 * Anybody can sign up with somebody else's address.  The owner of the address must not be
 * kept out by that: who proves an address gets it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_UNPROVEN_ADDRESS_H
#define ANON_AUTH_UNPROVEN_ADDRESS_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "utils/timestamp.h"

/*
 * Take a login ID that somebody has proven away from an account that has not verified it.
 * Do nothing if there is no such account.  The account stays, with an event and a message
 * to its verified addresses.  Locks the account's row.
 */
extern void unproven_address_take(const LoginId *login_id, const char *client_id,
								  TimestampTz now);

#endif							/* ANON_AUTH_UNPROVEN_ADDRESS_H */
