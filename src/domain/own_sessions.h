/*-------------------------------------------------------------------------
 *
 * own_sessions.h
 *	  What users see of their sessions, and how they end them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OWN_SESSIONS_H
#define ANON_AUTH_OWN_SESSIONS_H

#include "postgres.h"

#include "store/sessions.h"
#include "store/users.h"

/* Return the live sessions of a user as a palloc'd array, the last used one first. */
extern ListedSession *own_sessions_list(const User *user, TimestampTz now, int *count);

/*
 * End a session of a user, with an event.  current is the session of the call, and may be
 * the one that ends.  The caller holds the user's row.  Return false if the user has no
 * such session, also if another user has it.
 */
extern bool own_sessions_end(const User *user, const Session *current,
							 const pg_uuid_t *session_id, TimestampTz now);

/*
 * End all sessions of a user but current, and the authorization codes that could give
 * others, with an event if there was one.  The caller holds the user's row.  Return how
 * many sessions ended.
 */
extern uint64 own_sessions_end_others(const User *user, const Session *current,
									  TimestampTz now);

#endif							/* ANON_AUTH_OWN_SESSIONS_H */
