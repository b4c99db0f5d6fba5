/*-------------------------------------------------------------------------
 *
 * merged_guests.h
 *	  The table anon_auth.merged_guests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MERGED_GUESTS_H
#define ANON_AUTH_MERGED_GUESTS_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Remember that a guest was merged into an account, whose row the caller holds. */
extern void merged_guests_insert(const pg_uuid_t *guest_id, const pg_uuid_t *user_id,
								 TimestampTz now);

/* Whether a guest was merged into this account, as far as it is remembered. */
extern bool merged_guests_find(const pg_uuid_t *guest_id, const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_MERGED_GUESTS_H */
