/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  Deletion of guests who cannot come back, and of expired rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DOMAIN_PURGE_H
#define ANON_AUTH_DOMAIN_PURGE_H

#include "postgres.h"

#include "utils/timestamp.h"

/* How many rows of each kind were deleted. */
typedef struct PurgeCounts
{
	uint64		guests;
	uint64		skipped_guests; /* not deleted; a later call tries again */
	uint64		accounts;		/* whose users have asked for it */
	uint64		skipped_accounts;
	uint64		sessions;
	uint64		authorization_codes;
	uint64		one_time_codes;
	uint64		address_codes;
	uint64		outbox_messages;
	uint64		removed_device_keys;
	uint64		removed_identities;
	uint64		merged_guests;
	uint64		events;
	bool		has_more;		/* batch_size was reached for one of them */
} PurgeCounts;

/*
 * Delete at most batch_size of each kind and fill counts.  If dry_run, undo the
 * deletion: the counts are those of a real call.  Skips rows that another
 * transaction has locked, so several can run at once.
 */
extern void purge_run(int batch_size, bool dry_run, TimestampTz now, PurgeCounts *counts);

#endif							/* ANON_AUTH_DOMAIN_PURGE_H */
