/*-------------------------------------------------------------------------
 *
 * proof.h
 *	  Who shows that he is a guest, to be promoted or merged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROOF_H
#define ANON_AUTH_PROOF_H

#include "postgres.h"

#include "domain/domain.h"
#include "domain/promotion.h"

/* The guest to promote, and the session that proved it if one did. */
typedef struct Proof
{
	User		user;
	bool		by_session;
	pg_uuid_t	session_id;
	int			invalid_errcode;	/* if it is good no longer */
	const char *invalid_message;
} Proof;

/*
 * Checks the one proof of a request; use_challenge: a jwt cannot be presented
 * again.  Raises 22023 unless there is exactly one, AA003 to AA008 and AA013.
 */
extern void proof_open(const Client *client, const PromotionRequest *request,
					   bool use_challenge, TimestampTz now, Proof *proof);

/* The proof was good when it was looked at, and is no more. */
pg_noreturn extern void proof_raise_invalid(const Proof *proof);

/* The guest could not be promoted or merged after all: says why. */
pg_noreturn extern void proof_raise_lost(const Proof *proof);

#endif							/* ANON_AUTH_PROOF_H */
