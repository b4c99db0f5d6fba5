/*-------------------------------------------------------------------------
 *
 * account_deletion.h
 *	  Deletion of one user: at once, or after a period in which it can be cancelled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ACCOUNT_DELETION_H
#define ANON_AUTH_ACCOUNT_DELETION_H

#include "postgres.h"

#include "store/sessions.h"
#include "store/users.h"

/*
 * Lock a user that will be deleted at once, in the lock order: device key, user.  device_kid
 * is that of an unlocked look at the user, or NULL.  Fills user.  False if it is gone.
 */
extern bool account_deletion_lock(const pg_uuid_t *id, const char *device_kid, User *user,
								  TimestampTz now);

/*
 * Delete a user that account_deletion_lock() has locked, with everything that belongs to
 * it, and rows of the application as their foreign keys say, after the hook
 * settings.before_deletion.  reason, for the event, and client_id may be NULL.  Raises
 * 23503 if a foreign key forbids it, and AA020.
 */
extern void account_deletion_run(const User *user, const char *reason, const char *client_id,
								 TimestampTz now);

/* Whether a request of this user means that it is deleted at once. */
extern bool account_deletion_is_immediate(const User *user);

/* Return when an account is deleted whose user asks for it now. */
extern TimestampTz account_deletion_time(TimestampTz now);

/*
 * Schedule the deletion of the caller's account, end its other sessions and send a notice.
 * The caller holds the user's row.  Return when purge() will delete it: if that was
 * decided before, nothing changes.  Raises AA022.
 */
extern TimestampTz account_deletion_schedule(const User *user, const Session *session,
											 TimestampTz now);

/*
 * Delete the caller's account or guest at once, or schedule that.  The caller has not locked
 * the user's row.  Return when it is deleted.  Raises AA014 and AA022, and if the deletion is
 * immediate also the errors of account_deletion_run().
 */
extern TimestampTz account_deletion_request(const User *user, const Session *session,
											TimestampTz now);

/* Undo a scheduled deletion.  The caller holds the user's row.  Return false if nothing was scheduled. */
extern bool account_deletion_cancel(const User *user, const Session *session, TimestampTz now);

typedef struct AccountDeletionCounts
{
	uint64		deleted;
	uint64		skipped;		/* could not be deleted; a later call tries again */
	bool		has_more;
} AccountDeletionCounts;

/* Delete at most limit accounts that are due.  Skips those that other transactions hold. */
extern void account_deletion_purge(int limit, TimestampTz now, AccountDeletionCounts *counts);

#endif							/* ANON_AUTH_ACCOUNT_DELETION_H */
