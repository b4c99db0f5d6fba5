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

#include "domain/account_request.h"
#include "domain/guest_proof.h"
#include "login_id/login_id.h"
#include "store/clients.h"
#include "store/settings.h"
#include "store/users.h"

typedef struct PromotionRequest
{
	AccountRequest account;
	GuestProof	proof;
	Jsonb	   *device_info;	/* NULL: that of the guest */
	bool		by_device;		/* the device itself calls, and no page that a link may open */
} PromotionRequest;

/* Who is logged in after a promotion. */
typedef struct PromotionResult
{
	User		user;			/* whose row is held */
	StringList	amr;			/* auth_methods.h */
	Jsonb	   *device_info;	/* of the request, or of the guest: the device is the same */
	bool		is_disabled;	/* no login: the code or passkey is that of a disabled user */
} PromotionResult;

/* The state of a ticket's guest. */
typedef enum PromotionState
{
	PROMOTION_OPEN,				/* still a guest */
	PROMOTION_DONE,				/* a regular user */
	PROMOTION_GUEST_GONE		/* deleted, or merged into an account */
} PromotionState;

/* Return the state.  Unless the guest is gone, set *guest_since to its time of sign-up. */
extern PromotionState promotion_state(const GuestTicket *ticket, TimestampTz *guest_since);

/*
 * Promote the guest that the proof identifies.  If an account has one of the
 * login IDs or the identity, settings.promotion_conflict decides: raise AA009, log in to
 * that account, or also merge the guest into it.  The caller proves to be its user with
 * any of its credentials: the code, the ID token, or the password.  Fill result; the
 * caller starts the session.
 *
 * Return false if the code is wrong, the ID token was used before, or nothing proves that
 * account; that is an event.  Raises 22023 for a missing argument, AA002 for the client,
 * AA003 to AA008 and AA013 for the proof, AA009 to AA011 for login IDs and password, AA018
 * and AA019 beyond the limits of attempts and conflicts, AA020 and AA021 from hooks
 * and merges, AA025 and AA028 for the ID token.
 */
extern bool promotion_run(const Client *client, const PromotionRequest *request,
						  TimestampTz now, PromotionResult *result);

/*
 * As promotion_run(), but raise AA009 whatever settings.promotion_conflict is: for a
 * form that asks its user before it logs in to another account.
 */
extern bool promotion_sign_up(const Client *client, const PromotionRequest *request,
							  TimestampTz now, PromotionResult *result);

/*
 * Log in to the account that has the login IDs, because the user chose to: as
 * promotion_run(), but also if settings.promotion_conflict is error.  Only merge
 * changes the guest.  If no account has them, the result is that of a wrong
 * password.  Raises AA030, and does not use the code up, if it proves the address and no
 * account has proven it.
 */
extern bool promotion_log_in(const Client *client, const PromotionRequest *request,
							 TimestampTz now, PromotionResult *result);

/*
 * Write the event of a conflict.  ticket NULL: nobody is a guest.  AA009 undoes the changes of its call: this is for
 * a caller that has caught it.
 */
extern void promotion_record_conflict(const Client *client, const GuestTicket *ticket,
									  LoginIdType type, TimestampTz now);

/*
 * For a form that is sent twice: if the guest of the ticket has been promoted to
 * exactly these login IDs, or merged into the account that has them, log in with
 * the password.  Otherwise return false.  An attacker with an old form can guess login IDs,
 * so a wrong login ID and a wrong password give the same result after the same
 * work, and are the same event; each call counts as an attempt at a password.
 * Raises AA008 if the guest is still a guest, AA013 if it is gone and cannot have been
 * merged, AA018 and AA019 beyond the limits of attempts.
 */
extern bool promotion_repeat(const Client *client, const PromotionRequest *request,
							 TimestampTz now, PromotionResult *result);

#endif							/* ANON_AUTH_PROMOTION_H */
