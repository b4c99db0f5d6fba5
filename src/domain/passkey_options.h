/*-------------------------------------------------------------------------
 *
 * passkey_options.h
 *	  What a browser needs to make or use a passkey: PublicKeyCredentialCreationOptionsJSON
 *	  and PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEY_OPTIONS_H
#define ANON_AUTH_PASSKEY_OPTIONS_H

#include "postgres.h"

#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Options to make a passkey for a user.  They exclude the authenticators of the user's
 * passkeys.  Raises AA022, so that nobody makes a passkey that passkey_add() refuses.
 */
extern char *passkey_options_for_user(const User *user, const Session *session,
									  TimestampTz now);

/* Options to make a passkey for a user whose rights the caller has checked. */
extern char *passkey_options_for_guest(const User *user, TimestampTz now);

/*
 * Options to make the passkey of an account that sign_up() makes.  The application fills in
 * the names of the user.  Raises AA015 if nobody may sign up.
 */
extern char *passkey_options_for_sign_up(TimestampTz now);

/*
 * Options to make the passkey of an account that a page is about to make: of the guest with
 * this id or, if guest is NULL, of somebody who was no guest.  name is what the person logs in
 * with.  They exclude the authenticators of the guest's passkeys.  An authenticator has one
 * passkey of each user for an RP ID, so a new one would replace the guest's, also if the
 * promotion then fails.
 */
extern char *passkey_options_for_account(const pg_uuid_t *guest, const char *name,
										 TimestampTz now);

/* Options to log in with any passkey.  Raises AA002 for the client. */
extern char *passkey_options_for_login(const Client *client, TimestampTz now);

/*
 * The same on a page, without a check of the client.  If user_id is not NULL, the browser
 * offers only the passkeys of this user, of which the options have the ids.
 */
extern char *passkey_options_to_log_in(const pg_uuid_t *user_id, TimestampTz now);

/*
 * Return the passkeys that a user has, for an authenticator that may offer others: the
 * options of signalAllAcceptedCredentials().
 */
extern char *passkey_options_accepted(const User *user);

#endif							/* ANON_AUTH_PASSKEY_OPTIONS_H */
