/*-------------------------------------------------------------------------
 *
 * sessions.h
 *	  The table anon_auth.sessions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SESSIONS_H
#define ANON_AUTH_SESSIONS_H

#include "postgres.h"

#include "counters/revocations.h"
#include "store/record.h"
#include "store/users.h"
#include "utils/inet.h"

typedef enum SessionType
{
	SESSION_REFRESH_TOKEN,
	SESSION_COOKIE
} SessionType;

extern const EnumNames session_type_names;

#define RECORD_C_SESSION_TYPE(name)		SessionType name
#define RECORD_KIND_SESSION_TYPE		RECORD_ENUM(session_type_names)

/*
 * client_id is NULL only for cookie sessions; rotated_at is 0 before the first rotation;
 * dpop_jkt is NULL for a session that is not bound to a key.
 */
#define SESSION_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(UUID, id) \
	COLUMN(SESSION_TYPE, session_type) \
	COLUMN(TEXT, client_id) \
	COLUMN(HASH, secret_hash) \
	COLUMN(INT4, generation) \
	COLUMN(TIMESTAMP, rotated_at) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, authenticated_at) \
	COLUMN(TEXT_LIST, amr)			/* domain/auth_methods.h */ \
	COLUMN(TEXT, device_kid)		/* that of the account's key that opened it, or NULL */ \
	COLUMN(TIMESTAMP, expires_at) \
	COLUMN(TEXT, dpop_jkt)

typedef struct Session
{
	SESSION_COLUMNS(RECORD_FIELD)
} Session;

/*
 * What the row of a session says about its device.  A use replaces the values that are
 * not NULL.  An address or user agent that must not be kept is removed.
 */
typedef struct SessionDevice
{
	Jsonb	   *device_info;
	inet	   *client_address;
	char	   *user_agent;
	bool		keep_client_address;
	bool		keep_user_agent;
	const char *dpop_jkt;		/* to which the session is bound if it is not bound yet */
} SessionDevice;

/* What a user is told of a session, with its client's name.  client_id can be NULL. */
#define LISTED_SESSION_COLUMNS(COLUMN) \
	COLUMN(UUID, id) \
	COLUMN(TEXT, session_type) \
	COLUMN(TEXT, client_id) \
	COLUMN(TEXT, client_name, "c.name") \
	COLUMN(JSONB, device_info) \
	COLUMN(INET, client_address) \
	COLUMN(TEXT, user_agent) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, last_used_at) \
	COLUMN(TIMESTAMP, expires_at) \
	COLUMN(TIMESTAMP, authenticated_at) \
	COLUMN(TEXT_LIST, amr)

typedef struct ListedSession
{
	LISTED_SESSION_COLUMNS(RECORD_FIELD)
} ListedSession;

/* Insert a session that is used now for the first time. */
extern void sessions_insert(const Session *session, const SessionDevice *device);

/*
 * Return the device_info of a session or, if id is NULL, of the user's newest session that
 * has one.  NULL if there is none.
 */
extern Jsonb *sessions_device_info(const pg_uuid_t *user_id, const pg_uuid_t *id);

/*
 * Read a session that has not expired, and the state of its user, without a lock.
 * False if there is none.
 */
extern bool sessions_find(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now,
						  Session *session, User *user);

/* Same, with all columns of the user. */
extern bool sessions_find_with_user(const pg_uuid_t *user_id, const pg_uuid_t *id,
									TimestampTz now, Session *session, User *user);

/*
 * Same, and lock the user's row as users_log_in() does, without a change.  Whoever ends the
 * session now waits for this transaction.  Raises 40001 above READ COMMITTED if the session
 * has ended, or the user's row has changed, since the snapshot was taken.
 */
extern bool sessions_lock_with_user(const pg_uuid_t *user_id, const pg_uuid_t *id,
									TimestampTz now, Session *session, User *user);

/*
 * Return whether a session is alive.  Whoever ends it now waits for this transaction.
 */
extern bool sessions_keep_alive(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now);

/* Return the sessions of a user that have not expired or ended, the last used one first. */
extern ListedSession *sessions_list(const pg_uuid_t *user_id, TimestampTz now, int *count);

/*
 * Mark a live session as used, move its expiry, and read the row that results.
 * With rotate the generation is increased by one if it is the presented one; an older
 * one is left to session.c in src/domain.  False if there is no such session, or if
 * the presented generation is ahead: it comes from a refresh that was rolled back.
 */
extern bool sessions_use(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz expires_at,
						 bool rotate, int presented_generation, const SessionDevice *device,
						 TimestampTz now, Session *session, User *user);

/*
 * Raise authenticated_at of a live session with a refresh token, set amr to the methods
 * of that time, and read the row that results.  False if this client has no such session.
 */
extern bool sessions_reauthenticate(const pg_uuid_t *user_id, const pg_uuid_t *id,
									const char *client_id, TimestampTz authenticated_at,
									const StringList *amr, const SessionDevice *device, TimestampTz now,
									Session *session);

/*
 * Use up an app session token of a live session with a refresh token.  Return false if the
 * session has ended, or if this token or one that was issued later has been used.
 */
extern bool sessions_use_app_token(const pg_uuid_t *user_id, const pg_uuid_t *id,
								   TimestampTz issued_at, TimestampTz now);

/* False if there was no such session. */
extern bool sessions_delete(const pg_uuid_t *user_id, const pg_uuid_t *id);

/* Delete all sessions of a user that have not expired, except one.  Return how many. */
extern uint64 sessions_delete_others(const pg_uuid_t *user_id, const pg_uuid_t *id,
									 TimestampTz now);

/*
 * Delete the sessions of a user that have not expired, except the last used ones, as many as
 * kept.  Return how many.  The caller holds the user's row.
 */
extern uint64 sessions_delete_oldest(const pg_uuid_t *user_id, int kept, TimestampTz now);

/*
 * Delete a session that has not expired and has this secret, and return its client.
 * False if there was none.
 */
extern bool sessions_delete_with_secret(const pg_uuid_t *user_id, const pg_uuid_t *id,
										const uint8 secret_hash[SECRET_HASH_LENGTH],
										TimestampTz now, char **client_id);

/* Delete a user's sessions of one client, or all if client_id is NULL.  Return how many. */
extern uint64 sessions_delete_all(const pg_uuid_t *user_id, const char *client_id);

/*
 * Delete the sessions of a user that a device key of the account opened: those with one
 * client, or all if client_id is NULL.  Return how many.
 */
extern uint64 sessions_delete_of_device_key(const pg_uuid_t *user_id, const char *kid,
											const char *client_id);

/* Delete all sessions of a user.  Return whether this one was among them. */
extern bool sessions_delete_all_with(const pg_uuid_t *user_id, const pg_uuid_t *id);

/*
 * To be called after sessions of a user were deleted.  If that was the last one of a guest
 * without a device key and without a passkey, nobody can come back to the guest: purge() may
 * delete it from now on.  Skipped if another transaction holds the user's row.
 */
extern void sessions_ended(const pg_uuid_t *user_id, TimestampTz now);

/*
 * End a session at once, also if this transaction is rolled back: the caller deletes
 * its row, and if that is undone, sessions_find() still does not find it.  Raises AA018 as
 * revocation_add().
 */
extern void sessions_revoke_at_once(const Session *session);

/* Whether sessions_revoke_at_once() was called for a session whose row may remain. */
extern bool sessions_revoked(const pg_uuid_t *user_id, const pg_uuid_t *id);

/*
 * Delete the sessions of a revocation, except those that other transactions hold.
 * Return how many.  If none is left, the revocation ends when the transaction commits.
 */
extern uint64 sessions_delete_revoked(const Revocation *revocation);

#endif							/* ANON_AUTH_SESSIONS_H */
