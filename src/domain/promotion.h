/*-------------------------------------------------------------------------
 *
 * promotion.h
 *	  A guest becomes a regular user with the same id (docs/authgear.md, section
 *	  3).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROMOTION_H
#define ANON_AUTH_PROMOTION_H

#include "postgres.h"

#include "domain/guest_proof.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/settings.h"
#include "store/users.h"

typedef struct PromotionRequest
{
	char	   *login_ids[LOGIN_ID_TYPES];	/* as given; NULL: not given */
	char	   *password;
	GuestProof	proof;
} PromotionRequest;

/*
 * Read the settings that decide about a promotion, for a form that tells its user
 * in advance: allowed login IDs, the password policy, and the conflict rule.
 */
extern void promotion_read_policy(AccountPolicy *policy);

/* Return whether the guest of a ticket has become a regular user. */
extern bool promotion_is_done(const GuestTicket *ticket);

/*
 * Promote the guest that the proof identifies.  If an account has one of the
 * login IDs, settings.promotion_conflict decides: raise AA009, log in to that
 * account, or also merge the guest into it.  Fill user with the user who is
 * logged in now, whose row is held; the caller starts the session.
 *
 * Return false if the password of that account is wrong, which is an event.
 * Raises 22023 for a missing argument, AA002 for the client, AA003 to AA008 and
 * AA013 for the proof, AA009 to AA011 for login IDs and password, AA018 and
 * AA019 beyond the limits of attempts, AA020 and AA021 from hooks and merges.
 */
extern bool promotion_run(const Client *client, const PromotionRequest *request,
						  TimestampTz now, User *user);

/*
 * For a form that is sent twice: if the guest of the ticket has been promoted to
 * exactly these login IDs, or merged into the account that has them, log in with
 * the password.  Return false if the password is wrong, which is an event.
 * Raises AA008 for other login IDs, AA013 if there is no such account.
 */
extern bool promotion_repeat(const Client *client, const PromotionRequest *request,
							 TimestampTz now, User *user);

#endif							/* ANON_AUTH_PROMOTION_H */
