/*-------------------------------------------------------------------------
 *
 * account_export.h
 *	  Copies of everything that is stored about one user, for the user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ACCOUNT_EXPORT_H
#define ANON_AUTH_ACCOUNT_EXPORT_H

#include "postgres.h"

#include "store/sessions.h"
#include "store/users.h"

/*
 * Return what the extension stores about the caller, without secrets, and record an event.  The
 * caller holds the user's row.
 */
extern Jsonb *account_export_by_user(const User *user, const Session *session, TimestampTz now);

/*
 * Return the same for an administrator, with the rows of the application's tables that refer to
 * the user, in the member "linked_tables".  Records an event.  Raises 42704, and as
 * app_export_add().
 */
extern Jsonb *account_export_by_admin(const pg_uuid_t *id, TimestampTz now);

#endif							/* ANON_AUTH_ACCOUNT_EXPORT_H */
