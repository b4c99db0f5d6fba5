/*-------------------------------------------------------------------------
 *
 * guest_proof.h
 *	  Proofs that the caller is a guest, for promotion and merging.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_GUEST_PROOF_H
#define ANON_AUTH_GUEST_PROOF_H

#include "postgres.h"

#include "base/compat.h"
#include "domain/dpop.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * The guest that a proof identified, kept while the guest fills in a form.  Code that
 * stores a ticket outside the server must authenticate it.
 */
typedef struct GuestTicket
{
	pg_uuid_t	user_id;
	bool		by_session;		/* the session must still be alive */
	pg_uuid_t	session_id;
	bool		by_own_cookie;	/* the session is that of the browser's cookie */
} GuestTicket;

/* Exactly one member but the last must be set. */
typedef struct GuestProof
{
	char	   *jwt;			/* signed by the guest's device */
	char	   *promotion_code;
	char	   *refresh_token;
	const GuestTicket *ticket;
	DpopCheck  *dpop;			/* the key of the request that has the proof; NULL: none */
} GuestProof;

/* The guest that a proof identifies. */
typedef struct ProvenGuest
{
	User		user;
	bool		by_session;		/* session_id is the session that proved it */
	pg_uuid_t	session_id;
	bool		by_cookie_session;	/* that session's secret is in a browser's cookie */
	int			invalid_errcode;	/* see guest_proof_raise_invalid() */
	const char *invalid_message;
} ProvenGuest;

/*
 * Return a promotion code for the guest of a refresh token, and set *expires_at
 * (docs/authgear.md, section 2.2).  Raises AA006, AA007, AA008, AA026, AA027.
 */
extern char *guest_proof_create_code(const char *refresh_token, DpopCheck *dpop,
									 TimestampTz now, TimestampTz *expires_at);

/* Return a promotion code for the guest of a session that the caller has found alive. */
extern char *guest_proof_create_code_for_session(const Session *session, const User *user,
												 TimestampTz now, TimestampTz *expires_at);

/*
 * Fill guest from a proof.  If use_challenge, a jwt cannot be presented again.
 * Raises 22023 unless there is exactly one proof, and AA003 to AA008, AA013,
 * AA026 or AA027 if it does not prove that the caller is a guest who may be promoted.
 */
extern void guest_proof_open(const Client *client, const GuestProof *proof,
							 bool use_challenge, TimestampTz now, ProvenGuest *guest);

/*
 * As guest_proof_open() with use_challenge, for an account that claims the guest.  Return
 * false, without filling guest, if the guest was merged into this account before: the
 * client repeats a claim whose response was lost.
 *
 * A merge deletes what most proofs are checked against.  A repeat needs a text that this
 * database made for the guest, or a request that the guest's key signed; expiry, client
 * and the secret of a refresh token are not checked.  It tells nothing to a caller who
 * is not logged in to the account: others get the error of an invalid proof.
 */
extern bool guest_proof_open_for_claim(const Client *client, const GuestProof *proof,
									   const pg_uuid_t *account, TimestampTz now,
									   ProvenGuest *guest);

/*
 * Same as guest_proof_open(), but fill a ticket and use nothing up.  cookie_session is the session of the
 * browser's cookie, or NULL.  Raises AA002 for the client, and AA013 for the
 * promotion code of another browser's cookie session: that browser alone may promote
 * the guest of its cookie.
 */
extern void guest_proof_open_ticket(const Client *client, const GuestProof *proof,
									const pg_uuid_t *cookie_session, TimestampTz now,
									GuestTicket *ticket);

/* Raise the error of a proof that has become invalid since it was opened. */
pg_noreturn extern void guest_proof_raise_invalid(const ProvenGuest *guest);

/*
 * Raise the reason why the guest could not be promoted or merged after all:
 * AA008 or AA007 if that tells more than that the proof has become invalid.
 */
pg_noreturn extern void guest_proof_raise_lost(const ProvenGuest *guest);

#endif							/* ANON_AUTH_GUEST_PROOF_H */
