/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  Deleting what nobody can come back to, and what has expired.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DOMAIN_PURGE_H
#define ANON_AUTH_DOMAIN_PURGE_H

#include "postgres.h"

#include "utils/timestamp.h"

typedef struct PurgeCounts
{
	uint64		guests;
	uint64		skipped_guests; /* looked at again later */
	uint64		sessions;
	uint64		authorization_codes;
	uint64		one_time_codes;
	uint64		outbox_messages;
	uint64		removed_device_keys;
	uint64		events;
	bool		has_more;		/* a limit was reached */
} PurgeCounts;

/*
 * Deletes at most batch_size of each kind; with dry_run it is undone, and the
 * counts are what would have been.
 */
extern void purge_run(int batch_size, bool dry_run, TimestampTz now, PurgeCounts *counts);

#endif							/* ANON_AUTH_DOMAIN_PURGE_H */
