/*-------------------------------------------------------------------------
 *
 * guest_claim.h
 *	  An account claims a guest: its user is logged in and has a proof of being the guest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_GUEST_CLAIM_H
#define ANON_AUTH_GUEST_CLAIM_H

#include "postgres.h"

#include "domain/guest_proof.h"
#include "store/app_tables.h"
#include "store/clients.h"
#include "store/users.h"

/*
 * Merge the guest that a proof identifies into the caller's account.  session_client is
 * the client of the caller's session, or NULL.  *tables and *count tell how many rows of
 * which table were moved.  If dry_run, everything is undone, and the proof can be used
 * again.
 *
 * If the guest was merged into this account before, nothing happens, and *count is 0
 * (guest_proof_open_for_claim()).
 *
 * Raises 22023 unless there is exactly one proof, AA002 for the client, AA014 for the
 * session of another client or a user that is disabled or gone, AA024 if the caller is a
 * guest, AA018 beyond the limit of claims, AA003 to AA008, AA013, AA016 and AA031 for
 * the proof, AA020 and AA021 from the hook and the tables.
 */
extern void guest_claim_run(const Client *client, const User *caller, const char *session_client,
							const GuestProof *proof, bool dry_run, TimestampTz now,
							AppTable **tables, int *count);

#endif							/* ANON_AUTH_GUEST_CLAIM_H */
