/*-------------------------------------------------------------------------
 *
 * sessions.c
 *	  Statements on anon_auth.sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "store/placement.h"
#include "store/sessions.h"
#include "store/statement.h"

static const char *const session_types[] = {
	[SESSION_REFRESH_TOKEN] = "refresh_token",
	[SESSION_COOKIE] = "cookie"
};

const EnumNames session_type_names = {lengthof(session_types), session_types};

RECORD_TYPE(session, Session, SESSION_COLUMNS);
RECORD_TYPE(user_state, User, USER_STATE_COLUMNS);
RECORD_TYPE(whole_user, User, USER_COLUMNS);

/* A session can be purged from its expiry on; a later use moves expires_at only. */
static Statement insert_session = {
	.sql = "INSERT INTO anon_auth.sessions"
	" ({session}, last_used_at, purge_from, device_info, client_address, user_agent)"
	" VALUES ({:session}, :created_at, :expires_at, :device_info, :client_address, :user_agent)"
};

static Statement find_session = {
	.sql = "SELECT {session} FROM anon_auth.sessions WHERE user_id = :user_id AND id = :id",
	.row = &session_record,
	.key_table = "sessions"
};

/* The user comes with the session, since every caller needs to know whether it is disabled. */
#define LIVE_SESSION_AND_USER \
	" FROM anon_auth.sessions s JOIN anon_auth.users u ON u.id = s.user_id" \
	" WHERE s.user_id = :user_id AND s.id = :id AND s.expires_at > :now"

static Statement find_with_state = {
	.sql = "SELECT {s.session}, {u.user_state}" LIVE_SESSION_AND_USER,
	.row = &session_record,
	.joined = &user_state_record
};

static Statement find_with_user = {
	.sql = "SELECT {s.session}, {u.whole_user}" LIVE_SESSION_AND_USER,
	.row = &session_record,
	.joined = &whole_user_record
};

/*
 * The user's row is locked first.  If the session ends while this waits for that lock, no row
 * is found at READ COMMITTED.  Above it, this fails, too, if the session has ended since the
 * snapshot was taken.
 */
static Statement lock_with_user = {
	.sql = "SELECT {s.session}, {u.whole_user}" LIVE_SESSION_AND_USER
	" FOR NO KEY UPDATE OF u FOR KEY SHARE OF s",
	.row = &session_record,
	.joined = &whole_user_record
};

static Statement keep_and_find = {
	.sql = "SELECT {session} FROM anon_auth.sessions"
	" WHERE user_id = :user_id AND id = :id FOR KEY SHARE",
	.row = &session_record,
	.key_table = "sessions",
	.key_lock = KEY_LOCK_KEY_SHARE
};

static Statement keep_session = {
	.sql = "SELECT 1 FROM anon_auth.sessions"
	" WHERE user_id = :user_id AND id = :id AND expires_at > :now FOR KEY SHARE"
};

#define EXPIRING_SESSION_COLUMNS(COLUMN) \
	COLUMN(TIMESTAMP, expires_at)

typedef struct ExpiringSession
{
	EXPIRING_SESSION_COLUMNS(RECORD_FIELD)
} ExpiringSession;

RECORD_TYPE(expiring_session, ExpiringSession, EXPIRING_SESSION_COLUMNS);

static Statement find_expiries = {
	.sql = "SELECT {expiring_session} FROM anon_auth.sessions WHERE user_id = :user_id",
	.row = &expiring_session_record,
	.key_table = "sessions"
};

RECORD_TYPE(listed_session, ListedSession, LISTED_SESSION_COLUMNS);

static Statement list_sessions = {
	.sql = "SELECT {s.listed_session}"
	" FROM anon_auth.sessions s LEFT JOIN anon_auth.clients c ON c.client_id = s.client_id"
	" WHERE s.user_id = :user_id AND s.expires_at > :now"
	" ORDER BY s.last_used_at DESC, s.id DESC",
	.row = &listed_session_record
};

/* The assignments of SessionDevice in a statement that uses a session. */
#define SET_DEVICE \
	" device_info = coalesce(:device_info, s.device_info)," \
	" client_address = CASE WHEN :keep_client_address" \
	"  THEN coalesce(:client_address, s.client_address) END," \
	" user_agent = CASE WHEN :keep_user_agent THEN coalesce(:user_agent, s.user_agent) END," \
	" dpop_jkt = coalesce(s.dpop_jkt, :dpop_jkt),"

/*
 * step is 1 to rotate, else 0.  The generation moves on only from the presented one, so
 * that of two concurrent refreshes with one token the second finds the first one's result.
 */
#define USE_SESSION \
	"UPDATE anon_auth.sessions s SET last_used_at = :now, expires_at = :expires_at," \
	SET_DEVICE \
	" generation = CASE WHEN :presented = s.generation THEN :presented + :step" \
	"  ELSE s.generation END," \
	" rotated_at = CASE WHEN :presented = s.generation AND :step > 0 THEN :now" \
	"  ELSE s.rotated_at END"

#define USABLE_SESSION \
	" s.user_id = :user_id AND s.id = :id AND s.expires_at > :now" \
	" AND s.generation >= :presented"

static Statement use_session = {
	.sql = USE_SESSION " WHERE" USABLE_SESSION " RETURNING {s.session}",
	.row = &session_record
};

/* Same for a use that only moves the times, the most frequent one. */
static Statement use_unchanged_session = {
	.sql = "UPDATE anon_auth.sessions s SET last_used_at = :now, expires_at = :expires_at"
	" WHERE" USABLE_SESSION " RETURNING {s.session}",
	.row = &session_record
};

static Statement use_with_user = {
	.sql = USE_SESSION " FROM anon_auth.users u WHERE u.id = s.user_id AND" USABLE_SESSION
	" RETURNING {s.session}, {u.user_state}",
	.row = &session_record,
	.joined = &user_state_record
};

/* A concurrent reauthentication can be later. */
static Statement reauthenticate_session = {
	.sql = "UPDATE anon_auth.sessions s SET last_used_at = :now,"
	SET_DEVICE
	" authenticated_at = CASE WHEN :authenticated_at > s.authenticated_at"
	"  THEN :authenticated_at ELSE s.authenticated_at END,"
	" amr = CASE WHEN :authenticated_at > s.authenticated_at THEN :amr ELSE s.amr END"
	" WHERE s.user_id = :user_id AND s.id = :id AND s.client_id = :client_id"
	" AND s.session_type = 'refresh_token' AND s.expires_at > :now RETURNING {s.session}",
	.row = &session_record
};

/* The ids of sessions are in the order of their times. */
#define SESSION_DEVICE_INFO_COLUMNS(COLUMN) \
	COLUMN(JSONB, device_info)

typedef struct SessionDeviceInfo
{
	SESSION_DEVICE_INFO_COLUMNS(RECORD_FIELD)
} SessionDeviceInfo;

RECORD_TYPE(session_device_info, SessionDeviceInfo, SESSION_DEVICE_INFO_COLUMNS);

static Statement find_device_info = {
	.sql = "SELECT {session_device_info} FROM anon_auth.sessions"
	" WHERE user_id = :user_id AND id = :id",
	.row = &session_device_info_record,
	.key_table = "sessions"
};

static Statement find_newest_device_info = {
	.sql = "SELECT {session_device_info} FROM anon_auth.sessions"
	" WHERE user_id = :user_id AND device_info IS NOT NULL ORDER BY id DESC LIMIT 1",
	.row = &session_device_info_record
};

/* Of two transactions with the same token, the second finds what the first one has set. */
static Statement use_app_token = {
	.sql = "UPDATE anon_auth.sessions SET app_token_issued_at = :issued_at"
	" WHERE user_id = :user_id AND id = :id AND expires_at > :now"
	" AND session_type = 'refresh_token'"
	" AND (app_token_issued_at IS NULL OR app_token_issued_at < :issued_at)"
};

static Statement delete_session = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND id = :id"
};

/* The columns of a deleted session that its caller needs. */
#define SESSION_CLIENT_COLUMNS(COLUMN) \
	COLUMN(TEXT, client_id)

typedef struct SessionClient
{
	SESSION_CLIENT_COLUMNS(RECORD_FIELD)
} SessionClient;

RECORD_TYPE(session_client, SessionClient, SESSION_CLIENT_COLUMNS);

static Statement delete_others = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND id <> :id"
	" AND expires_at > :now"
};

static Statement delete_oldest = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND id IN"
	" (SELECT id FROM anon_auth.sessions WHERE user_id = :user_id AND expires_at > :now"
	"  ORDER BY last_used_at DESC, id DESC OFFSET :kept)"
};

static Statement delete_with_secret = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND id = :id"
	" AND secret_hash = :secret_hash AND expires_at > :now RETURNING {session_client}",
	.row = &session_client_record
};

/* The ids of deleted sessions: sessions_delete_all_with() looks for one of them. */
RECORD_TYPE(id, IdRow, ID_COLUMNS);

static Statement delete_all = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id RETURNING {id}",
	.row = &id_record
};

static Statement delete_of_client = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND client_id = :client_id"
};

static Statement delete_of_device_key = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND device_kid = :kid"
	" AND (:client_id IS NULL OR client_id = :client_id)"
};

/* The sessions of a revocation, see revocations.h. */
#define IS_REVOKED	"user_id = :user_id AND (id = :id OR created_at <= :until)"

/* Sessions that other transactions hold are left for the next call. */
static Statement delete_revoked = {
	.sql = "DELETE FROM anon_auth.sessions WHERE user_id = :user_id AND id IN"
	" (SELECT id FROM anon_auth.sessions WHERE " IS_REVOKED " FOR UPDATE SKIP LOCKED)"
};

static Statement find_revoked = {
	.sql = "SELECT 1 FROM anon_auth.sessions WHERE " IS_REVOKED " LIMIT 1"
};

/* The parameters of SET_DEVICE. */
#define DEVICE_PARAMS(device) \
	param_jsonb("device_info", (device)->device_info), \
	param_inet("client_address", (device)->client_address), \
	param_text("user_agent", (device)->user_agent), \
	param_bool("keep_client_address", (device)->keep_client_address), \
	param_bool("keep_user_agent", (device)->keep_user_agent), \
	param_text("dpop_jkt", (device)->dpop_jkt)

void
sessions_insert(const Session *session, const SessionDevice *device)
{
	statement_run(&insert_session,
				  PARAMS(param_record(&session_record, session),
						 param_jsonb("device_info", device->device_info),
						 param_inet("client_address", device->client_address),
						 param_text("user_agent", device->user_agent)));
}

Jsonb *
sessions_device_info(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	SessionDeviceInfo row = {NULL};

	if (id == NULL)
		statement_fetch(&find_newest_device_info, PARAMS(param_uuid("user_id", user_id)), &row);
	else
		statement_fetch(&find_device_info,
						PARAMS(param_uuid("user_id", user_id), param_uuid("id", id)), &row);
	return row.device_info;
}

/*
 * If this transaction commits, it has deleted the row.  A revocation that holds for other
 * sessions, too, stays until purge() has deleted them.
 */
void
sessions_revoke_at_once(const Session *session)
{
	Revocation	revocation;

	revocation_add(&session->user_id, &session->id, session->expires_at);
	if (revocation_find(&session->user_id, &revocation) && revocation.until == 0)
		revocation_remove_at_commit(&revocation);
}

bool
sessions_revoked(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	return revocation_holds(user_id, id, uuid_v7_time(id));
}

uint64
sessions_delete_revoked(const Revocation *revocation)
{
	const NamedParam *params = PARAMS(param_uuid("user_id", &revocation->user_id),
									  param_uuid("id", &revocation->session_id),
									  param_timestamp("until", revocation->until));
	uint64		count = statement_run(&delete_revoked, params);

	if (statement_run(&find_revoked, params) == 0)
		revocation_remove_at_commit(revocation);
	return count;
}

static bool
fetch_joined(Statement *statement, const pg_uuid_t *user_id, const pg_uuid_t *id,
			 TimestampTz now, Session *session, User *user)
{
	return !sessions_revoked(user_id, id) &&
		statement_fetch_joined(statement,
							   PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
									  param_timestamp("now", now)),
							   session, user);
}

/* Read a session that has not expired, without its user. */
static bool
fetch_alive(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now, Session *session)
{
	return !sessions_revoked(user_id, id) &&
		statement_fetch(&find_session,
						PARAMS(param_uuid("user_id", user_id), param_uuid("id", id)), session) &&
		session->expires_at > now;
}

/*
 * Where rows are read by their keys, two reads are cheaper than a join.  Elsewhere each of
 * them is a round trip to another node.
 */

bool
sessions_find(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now, Session *session,
			  User *user)
{
	if (placement_is_local())
		return fetch_alive(user_id, id, now, session) && users_find_state(user_id, user);
	return fetch_joined(&find_with_state, user_id, id, now, session, user);
}

bool
sessions_find_with_user(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now,
						Session *session, User *user)
{
	if (placement_is_local())
		return fetch_alive(user_id, id, now, session) && users_find(user_id, user);
	return fetch_joined(&find_with_user, user_id, id, now, session, user);
}

bool
sessions_lock_with_user(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now,
						Session *session, User *user)
{
	if (placement_is_local())
		return users_lock_and_find(user_id, user) &&
			statement_fetch(&keep_and_find,
							PARAMS(param_uuid("user_id", user_id), param_uuid("id", id)),
							session) &&
			session->expires_at > now && !sessions_revoked(user_id, id);
	/* It can have been revoked while this waited for the lock. */
	return fetch_joined(&lock_with_user, user_id, id, now, session, user) &&
		!sessions_revoked(user_id, id);
}

bool
sessions_keep_alive(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now)
{
	return !sessions_revoked(user_id, id) &&
		statement_run(&keep_session,
					  PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
							 param_timestamp("now", now))) > 0;
}

static bool
has_live_session(const pg_uuid_t *user_id, TimestampTz now)
{
	int			count;
	ExpiringSession *sessions = statement_fetch_all(&find_expiries,
												  PARAMS(param_uuid("user_id", user_id)), &count);
	int			i;

	for (i = 0; i < count; i++)
		if (sessions[i].expires_at > now)
			return true;
	return false;
}

void
sessions_ended(const pg_uuid_t *user_id, TimestampTz now)
{
	if (!placement_is_local())
		users_make_orphan_due(user_id, now);
	else if (users_need_session(user_id, now) && !has_live_session(user_id, now))
		users_make_due(user_id, now);
}

ListedSession *
sessions_list(const pg_uuid_t *user_id, TimestampTz now, int *count)
{
	int			found;
	ListedSession *sessions = statement_fetch_all(&list_sessions,
												  PARAMS(param_uuid("user_id", user_id),
														 param_timestamp("now", now)),
												  &found);
	int			i;

	*count = 0;
	for (i = 0; i < found; i++)
		if (!sessions_revoked(user_id, &sessions[i].id))
			sessions[(*count)++] = sessions[i];
	return sessions;
}

/* Whether a use leaves what the session's row says about its device. */
static bool
changes_nothing(const SessionDevice *device)
{
	return device->device_info == NULL && device->client_address == NULL &&
		device->user_agent == NULL && device->dpop_jkt == NULL &&
		device->keep_client_address && device->keep_user_agent;
}

bool
sessions_use(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz expires_at, bool rotate,
			 int presented_generation, const SessionDevice *device, TimestampTz now,
			 Session *session, User *user)
{
	const NamedParam *params = PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
									  param_timestamp("now", now),
									  param_timestamp("expires_at", expires_at),
									  param_int4("step", rotate ? 1 : 0),
									  param_int4("presented", presented_generation),
									  DEVICE_PARAMS(device));

	if (!placement_is_local())
		return statement_fetch_joined(&use_with_user, params, session, user);
	if (!rotate && changes_nothing(device))
		return statement_fetch(&use_unchanged_session,
							   PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
									  param_timestamp("now", now),
									  param_timestamp("expires_at", expires_at),
									  param_int4("presented", presented_generation)),
							   session) && users_find_state(user_id, user);
	return statement_fetch(&use_session, params, session) && users_find_state(user_id, user);
}

bool
sessions_reauthenticate(const pg_uuid_t *user_id, const pg_uuid_t *id, const char *client_id,
						TimestampTz authenticated_at, const StringList *amr,
						const SessionDevice *device, TimestampTz now, Session *session)
{
	return !sessions_revoked(user_id, id) &&
		statement_fetch(&reauthenticate_session,
						PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
							   param_text("client_id", client_id),
							   param_timestamp("authenticated_at", authenticated_at),
							   param_text_list("amr", amr),
							   param_timestamp("now", now), DEVICE_PARAMS(device)),
						session);
}

bool
sessions_use_app_token(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz issued_at,
					   TimestampTz now)
{
	return !sessions_revoked(user_id, id) &&
		statement_run(&use_app_token,
					  PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
							 param_timestamp("issued_at", issued_at),
							 param_timestamp("now", now))) > 0;
}

bool
sessions_delete(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	return statement_run(&delete_session,
						 PARAMS(param_uuid("user_id", user_id), param_uuid("id", id))) > 0;
}

uint64
sessions_delete_others(const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now)
{
	return statement_run(&delete_others,
						 PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
								param_timestamp("now", now)));
}

uint64
sessions_delete_oldest(const pg_uuid_t *user_id, int kept, TimestampTz now)
{
	return statement_run(&delete_oldest,
						 PARAMS(param_uuid("user_id", user_id), param_int8("kept", kept),
								param_timestamp("now", now)));
}

bool
sessions_delete_with_secret(const pg_uuid_t *user_id, const pg_uuid_t *id,
							const uint8 secret_hash[SECRET_HASH_LENGTH], TimestampTz now,
							char **client_id)
{
	SessionClient deleted;

	if (!statement_fetch(&delete_with_secret,
						 PARAMS(param_uuid("user_id", user_id), param_uuid("id", id),
								param_hash("secret_hash", secret_hash),
								param_timestamp("now", now)),
						 &deleted))
		return false;
	*client_id = deleted.client_id;
	return true;
}

bool
sessions_delete_all_with(const pg_uuid_t *user_id, const pg_uuid_t *id)
{
	int			count;
	IdRow	   *rows = statement_fetch_all(&delete_all, PARAMS(param_uuid("user_id", user_id)),
										   &count);
	bool		deleted = false;
	int			i;

	for (i = 0; i < count; i++)
		deleted = deleted || memcmp(&rows[i].id, id, UUID_LEN) == 0;
	return deleted;
}

uint64
sessions_delete_all(const pg_uuid_t *user_id, const char *client_id)
{
	if (client_id == NULL)
		return statement_run(&delete_all, PARAMS(param_uuid("user_id", user_id)));
	return statement_run(&delete_of_client, PARAMS(param_uuid("user_id", user_id),
												   param_text("client_id", client_id)));
}

uint64
sessions_delete_of_device_key(const pg_uuid_t *user_id, const char *kid, const char *client_id)
{
	return statement_run(&delete_of_device_key,
						 PARAMS(param_uuid("user_id", user_id), param_text("kid", kid),
								param_text("client_id", client_id)));
}
