/*-------------------------------------------------------------------------
 *
 * guest_claim.c
 *	  An account claims a guest: its user is logged in and has a proof of being the guest.
 *
 * The account is locked first, as the lock order of statement.h demands.  So of two
 * claims by one account, the second waits, and finds what the first has done.  Of two
 * claims by different accounts, the second waits for the guest's row, and finds that the
 * proof is no longer valid.
 *
 * A device's request is used up, although the guest can be claimed only once: the device
 * may sign up again with its key, and the same request must not claim the new guest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/subtransaction.h"
#include "domain/client.h"
#include "domain/guest_claim.h"
#include "domain/merge.h"
#include "domain/rate_limit.h"
#include "store/foreign_keys.h"
#include "store/settings.h"

/* The argument and result of claim_now(). */
typedef struct Claim
{
	const Client *client;
	const pg_uuid_t *account;
	const GuestProof *proof;
	TimestampTz now;
	AppTable   *tables;
	int			count;
} Claim;

/* Lock the account, and raise AA014 if it was disabled or deleted meanwhile. */
static void
lock_account(const pg_uuid_t *id)
{
	User		account;

	if (!users_lock_and_find(id, &account) || account.is_disabled)
		raise_invalid_session("The session has ended, or the user is disabled or gone.");
}

static void
claim_now(void *arg)
{
	Claim	   *claim = arg;
	AccountPolicy policy;
	ProvenGuest guest;

	foreign_keys_hold();
	lock_account(claim->account);
	if (!guest_proof_open_for_claim(claim->client, claim->proof, claim->account, claim->now, &guest))
		return;
	settings_read_account_policy(&policy);
	if (!merge_guest(claim->client->client_id, &guest.user,
					 guest.by_session ? &guest.session_id : NULL, claim->account, policy.merge,
					 claim->now, &claim->tables, &claim->count))
		guest_proof_raise_lost(&guest);
}

void
guest_claim_run(const Client *client, const User *caller, const char *session_client,
				const GuestProof *proof, bool dry_run, TimestampTz now, AppTable **tables,
				int *count)
{
	Claim		claim = {.client = client,.account = &caller->id,.proof = proof,.now = now};

	client_require_guests(client, proof->jwt != NULL);
	if (session_client != NULL && strcmp(session_client, client->client_id) != 0)
		raise_invalid_session("The session belongs to another client.");
	if (caller->is_anonymous)
		raise_account_required();
	rate_limit_claim(&caller->id);
	if (dry_run)
		subtransaction_rehearse(claim_now, &claim);
	else
		claim_now(&claim);
	*tables = claim.tables;
	*count = claim.count;
}
