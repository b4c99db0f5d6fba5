/*-------------------------------------------------------------------------
 *
 * revocations.h
 *	  Revocations of sessions that a rollback does not undo.
 *
 * A transaction that finds a copied refresh token deletes the session.  If it rolls
 * back, the row is there again, and the session must not be: a revocation in the file
 * of the counters refuses it until a committed transaction has deleted the row.
 *
 * Revocations have room of their own, so that a client that makes many of them cannot
 * use up the room of the counters.  A user has one revocation at most: if a second
 * session of the user is revoked, all sessions that the user has by then are.
 * counters_reset() keeps revocations.  purge() deletes the sessions, and then the
 * revocations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REVOCATIONS_H
#define ANON_AUTH_REVOCATIONS_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

/* The part of a revocation that its callers see. */
typedef struct Revocation
{
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	TimestampTz until;			/* sessions that started up to then are revoked, too; 0: none */
	uint64		generation;		/* differs for every revocation and every change of one */
} Revocation;

/*
 * Revoke a session, which would expire at expires_at.  Raises AA018 if there is no
 * room.
 */
extern void revocation_add(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
						   TimestampTz expires_at);

/* Whether a session is revoked.  started_at is the time at which it started. */
extern bool revocation_holds(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							 TimestampTz started_at);

/* Whether any session may be revoked: a cheap test. */
extern bool revocations_exist(void);

/* Fill revocation with that of a user.  False if there is none. */
extern bool revocation_find(const pg_uuid_t *user_id, Revocation *revocation);

/* Return at most limit revocations as a palloc'd array. */
extern Revocation *revocations_list(int limit, int *count);

/*
 * Remove a revocation of this database's file, unless it has changed since it was read.
 * Takes no lock and raises nothing: see revocation_remove_at_commit().
 */
extern void revocation_remove(const Revocation *revocation);

#endif							/* ANON_AUTH_REVOCATIONS_H */
