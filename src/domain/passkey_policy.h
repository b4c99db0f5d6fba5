/*-------------------------------------------------------------------------
 *
 * passkey_policy.h
 *	  The settings of passkeys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEY_POLICY_H
#define ANON_AUTH_PASSKEY_POLICY_H

#include "postgres.h"

#include "store/settings.h"
#include "store/users.h"

/*
 * Fill policy.  Columns that are NULL get their values from the issuer: the RP ID is its
 * host, the only origin is its origin, and the RP's name is the RP ID.
 */
extern void passkey_policy_read(PasskeyPolicy *policy);

/* The value of userVerification that the policy asks for. */
extern const char *passkey_policy_user_verification(const PasskeyPolicy *policy);

/*
 * Return whether our own pages, which have the origin of the issuer, offer passkeys: the
 * setting says so, and a browser allows it there.
 */
extern bool passkey_policy_has_pages(const PasskeyPolicy *policy);

/* Return whether a user can log in on our pages with a passkey. */
extern bool passkey_policy_opens_pages(const User *user);

#endif							/* ANON_AUTH_PASSKEY_POLICY_H */
