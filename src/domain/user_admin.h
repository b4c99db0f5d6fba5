/*-------------------------------------------------------------------------
 *
 * user_admin.h
 *	  Administration of users (docs/authgear.md, section 10).
 *
 * Every function raises 42704 if there is no such user, also when another
 * transaction has just deleted the user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_ADMIN_H
#define ANON_AUTH_USER_ADMIN_H

#include "postgres.h"

#include "store/users.h"

extern void user_admin_get(const pg_uuid_t *id, User *user);

/* Same, and hold the user's row. */
extern void user_admin_lock(const pg_uuid_t *id, User *user);

/*
 * Disable a user: logins and refreshes fail with AA007, and all sessions and
 * authorization codes end.  Records an event unless the user was disabled.
 */
extern void user_admin_disable(const pg_uuid_t *id, TimestampTz now);

/* Let a user log in again, and end a lockout.  Records an event. */
extern void user_admin_enable(const pg_uuid_t *id, TimestampTz now);

/*
 * Set the password of an account, and end its sessions, codes and lockout.  Records an
 * event.  Raises AA011 if the password breaks the policy, AA024 for a guest.
 */
extern void user_admin_set_password(const pg_uuid_t *id, const char *password, TimestampTz now);

/*
 * Give a user these roles instead of those it has; the list is changed.  Tokens name them from
 * the next login or refresh on.  Records an event if they differ.  Raises 22023.
 */
extern void user_admin_set_roles(const pg_uuid_t *id, StringList *roles, TimestampTz now);

/*
 * Delete a user with everything that belongs to it, and rows of the application
 * as their foreign keys say, after the hook settings.before_deletion.  Raises 23503 if
 * a foreign key forbids it, and AA020.
 */
extern void user_admin_delete(const pg_uuid_t *id, TimestampTz now);

/* End all sessions of a user and return how many there were. */
extern uint64 user_admin_revoke_sessions(const pg_uuid_t *id, TimestampTz now);

/*
 * Return whether this database has the rows of all users, so that an administrator's
 * statements reach them.  False if Citus has distributed the tables.
 */
extern bool user_admin_rows_are_local(void);

#endif							/* ANON_AUTH_USER_ADMIN_H */
