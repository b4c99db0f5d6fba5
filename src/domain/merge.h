/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  A guest becomes part of an account that exists already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MERGE_H
#define ANON_AUTH_MERGE_H

#include "postgres.h"

#include "store/app_tables.h"
#include "store/users.h"

/*
 * Move the guest's rows in the application's tables to a user that the caller
 * has locked, and delete the guest, which merged_guests remembers.  session_id, unless NULL, must be alive.
 * hook is the name of settings.merge or NULL.  *tables and *count tell how many
 * rows of which table were moved.
 *
 * Return false if the guest has been promoted, disabled or deleted meanwhile, or
 * the session has ended: the caller must raise an error then.  Raises AA021 if a
 * table refuses, and whatever the hook raises.
 */
extern bool merge_guest(const char *client_id, const User *guest, const pg_uuid_t *session_id,
						const pg_uuid_t *user_id, const char *hook, TimestampTz now,
						AppTable **tables, int *count);

/*
 * Merge as merge_guest() does, for an administrator, who needs no proof.  If dry_run, everything is
 * undone.  Raises 42704 if one of the two does not exist, 22023 unless they are
 * a guest and a regular user, 55000 if the guest is disabled, 40001 if another
 * transaction changed the guest.
 */
extern void merge_by_admin(const pg_uuid_t *guest_id, const pg_uuid_t *user_id, bool dry_run,
						   TimestampTz now, AppTable **tables, int *count);

#endif							/* ANON_AUTH_MERGE_H */
