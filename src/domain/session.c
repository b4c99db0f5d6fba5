/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Sessions and their refresh tokens (docs/authgear.md, section 6).
 *
 * A refresh token holds the ids of its user and session, a seed, and its
 * generation, the number of its rotations.  Its MAC proves that this database made
 * it.  The session's row holds a hash of the seed and the latest generation.
 *
 * With rotation, the token of the previous generation gets the same successor
 * again during a grace period, so that a lost response or a second browser tab does
 * no harm.  An older token must have been copied, and ends the session (RFC 9700,
 * section 4.14.2).
 *
 * Locking: a refresh updates the session's row first, so it holds that row when
 * it decides whether the token was reused.  It does not wait for the user's row,
 * which comes before sessions in the lock order: users_touch() and
 * users_session_ended() skip a row that another transaction has locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/raise.h"
#include "base/secret_memory.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "counters/counters.h"
#include "counters/transaction_counters.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/dpop.h"
#include "domain/own_jwt.h"
#include "domain/session.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/master_key.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/clients.h"
#include "store/record.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"
#include "token/token.h"

/*
 * How far rotated_at may be in the future although the clock is right: of two
 * concurrent refreshes, the one that read the clock later may rotate first.
 */
#define CLOCK_TOLERANCE_SECONDS	10

StaticAssertDecl(SECRET_HASH_LENGTH == crypto_hash_sha256_BYTES, "hash lengths differ");
StaticAssertDecl(TOKEN_ID_LENGTH == UUID_LEN, "id lengths differ");

/* Read a token that was made under the current or a former master key. */
static bool
read_refresh_token(const char *text, size_t length, RefreshToken *token)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_REFRESH_TOKEN, i)) != NULL; i++)
		if (token_read_refresh_token(token, key, text, length))
			return true;
	return false;
}

static char *
write_refresh_token(const RefreshToken *token)
{
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	token_write_refresh_token(token, master_key_derived(MASTER_KEY_REFRESH_TOKEN, 0), text);
	return text;
}

static void
copy_ids_of_token(const RefreshToken *token, pg_uuid_t *user_id, pg_uuid_t *session_id)
{
	memcpy(user_id->data, token->user_id, UUID_LEN);
	memcpy(session_id->data, token->session_id, UUID_LEN);
}

void
session_require_client(const Session *session, const Client *client)
{
	if (session->client_id == NULL ||
		strcmp(session->client_id, client->client_id) != 0)
		raise_refresh_token_of_other_client();
}

static bool
seed_matches(const RefreshToken *token, const Session *session)
{
	uint8		hash[SECRET_HASH_LENGTH];

	crypto_hash_sha256(hash, token->seed, sizeof(token->seed));
	return sodium_memcmp(hash, session->secret_hash, SECRET_HASH_LENGTH) == 0;
}

TimestampTz
session_started_at(const pg_uuid_t *session_id)
{
	return uuid_v7_time(session_id);
}

/*
 * Return the expiry of a session that is used now: the end of its lifetime or of the
 * idle timeout, whichever is earlier (docs/authgear.md, section 6.1).
 */
static TimestampTz
expiry_after_use(const Client *client, TimestampTz begin, TimestampTz now)
{
	TimestampTz end = begin + client->refresh_token_lifetime_seconds * USECS_PER_SEC;

	if (client->refresh_token_idle_timeout_enabled)
		end = Min(end, now + client->refresh_token_idle_timeout_seconds * USECS_PER_SEC);
	return end;
}

TimestampTz
session_expiry(const Client *client, TimestampTz now)
{
	return expiry_after_use(client, now, now);
}

pg_uuid_t
session_new_id(TimestampTz now)
{
	return uuid_new_v7(now);
}

void
session_init(const User *user, const pg_uuid_t *id, TimestampTz authenticated_at,
			 const StringList *amr, TimestampTz now, Session *session, RefreshToken *token)
{
	memset(session, 0, sizeof(Session));
	session->user_id = user->id;
	session->id = *id;
	session->created_at = now;
	session->authenticated_at = authenticated_at;
	session->amr = *amr;

	memset(token, 0, sizeof(RefreshToken));
	memcpy(token->user_id, session->user_id.data, UUID_LEN);
	memcpy(token->session_id, session->id.data, UUID_LEN);
	randombytes_buf(token->seed, sizeof(token->seed));
	crypto_hash_sha256(session->secret_hash, token->seed, sizeof(token->seed));
}

/* Every login has locked the user's row, so no other one can add a session meanwhile. */
void
session_make_room(const User *user, const char *client_id, TimestampTz now)
{
	int			limit = settings_get()->max_sessions_per_user;
	uint64		count = limit == 0 ? 0 : sessions_delete_oldest(&user->id, limit - 1, now);

	if (count > 0)
		events_insert("user.signed_out", &user->id, client_id,
					  json_to_jsonb(psprintf("{\"sessions\": " UINT64_FORMAT
											 ", \"reason\": \"max_sessions_per_user\"}", count)),
					  now);
}

/* Return the key to which a session is bound that starts or is refreshed now, or NULL. */
static char *
key_of_session(const Client *client, const DeviceReport *report)
{
	const char *jkt = dpop_key_of_session(client, report->dpop);

	return jkt == NULL ? NULL : pstrdup(jkt);
}

static void
start_session(const Client *client, const User *user, const DeviceReport *report,
			  const SessionGrant *grant, TimestampTz now, TokenResponse *response)
{
	Session		session;
	SessionDevice device;
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));

	if (client->max_concurrent_sessions == 1)
		sessions_delete_all(&user->id, client->client_id);
	session_make_room(user, client->client_id, now);

	session_init(user, &grant->id, grant->authenticated_at, grant->amr, now, &session, token);
	session.client_id = client->client_id;
	session.dpop_jkt = key_of_session(client, report);
	session.device_kid = grant->device_kid;
	session.expires_at = grant->has_refresh_token ? session_expiry(client, now) :
		now + client->access_token_lifetime_seconds * USECS_PER_SEC;
	device_report_complete(report, &device);
	sessions_insert(&session, &device);
	counter_statistic_at_rollback(COUNTER_ROLLED_BACK_LOGINS);
	claims_issue_tokens(client, user, &session,
						grant->has_refresh_token ? write_refresh_token(token) : NULL,
						grant->nonce, now, response);
	wipe_bytes(token, sizeof(RefreshToken));
}

void
session_start(const Client *client, const User *user, const StringList *amr,
			  const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	SessionGrant grant = {
		.id = session_new_id(now),
		.authenticated_at = now,
		.amr = amr,
		.has_refresh_token = true
	};

	start_session(client, user, device, &grant, now, response);
}

void
session_start_granted(const Client *client, const User *user, const SessionGrant *grant,
					  const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	start_session(client, user, device, grant, now, response);
}

bool
session_find_alive(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz now,
				   Session *session, User *user)
{
	return sessions_find(user_id, session_id, now, session, user) && !user->is_disabled;
}

/* A way to read a live session and its user: sessions_find_with_user(), or one that locks. */
typedef bool (*ReadSession) (const pg_uuid_t *user_id, const pg_uuid_t *id, TimestampTz now,
							 Session *session, User *user);

static void
read_caller(ReadSession read, const pg_uuid_t *user_id, const pg_uuid_t *session_id,
			TimestampTz now, User *user, Session *session)
{
	Session		found;

	if (session_id == NULL || !read(user_id, session_id, now, &found, user) ||
		user->is_disabled)
		raise_invalid_session("The session has ended, or the user is disabled or gone.");
	if (session != NULL)
		*session = found;
}

void
session_get_user(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz now,
				 User *user, Session *session)
{
	read_caller(sessions_find_with_user, user_id, session_id, now, user, session);
}

/*
 * The session's row is locked, too: revoke() ends a session without a change of the user's
 * row, and an older snapshot still shows it.
 */
void
session_lock_user(const pg_uuid_t *user_id, const pg_uuid_t *session_id, TimestampTz now,
				  User *user, Session *session)
{
	read_caller(sessions_lock_with_user, user_id, session_id, now, user, session);
}

void
session_lock_found(TimestampTz now, User *user, Session *session)
{
	Session		found = *session;

	session_lock_user(&found.user_id, &found.id, now, user, session);
	session->authenticated_at = found.authenticated_at;
}

bool
session_use_key(const Client *client, const Session *session, DpopCheck *dpop)
{
	if (session->dpop_jkt != NULL)
		return dpop_matches(dpop, session->dpop_jkt);
	(void) dpop_key_of_session(client, dpop);
	return true;
}

/* Return the grace period of rotation in microseconds. */
static int64
rotation_grace(const Client *client)
{
	return client->refresh_token_rotation_grace_seconds * USECS_PER_SEC;
}

/*
 * Return whether the successor of a presented token has been used already, or its
 * grace period is over.  The session's row is as the refresh has left it: if this
 * call rotated, the row is one generation ahead of the token, and rotated_at is
 * now.
 */
static bool
is_reused(const Session *session, const RefreshToken *token, const Client *client,
		  bool rotate, TimestampTz now)
{
	int64		presented = token->generation;
	int64		behind = session->generation - presented - (rotate ? 1 : 0);
	/* Read the clock again: this refresh may have waited for the session's row. */
	bool		in_grace = session->rotated_at != 0 &&
		GetCurrentTimestamp() - session->rotated_at <= rotation_grace(client);

	if (behind < 0)
		return false;
	if (behind == 0)
		return rotate && session->rotated_at != now && !in_grace;
	return !(behind == 1 && !rotate && in_grace);
}

/*
 * Raise AA006 for an older token if the last rotation lies in the future: the clock was
 * ahead at that time, so it is unknown whether the grace period is over.  The session
 * stays alive, because this does not indicate a copied token.
 */
static void
refuse_rotation_in_future(const Session *session, const RefreshToken *token, const Client *client,
						  TimestampTz now)
{
	TimestampTz latest = now + rotation_grace(client) + CLOCK_TOLERANCE_SECONDS * USECS_PER_SEC;

	if (session->rotated_at > latest && session->generation != (int64) token->generation)
		raise_invalid_refresh_token();
}

/*
 * Raise AA006 for a token that is not the newest one of its session.  If it was reused, the
 * session is revoked at once, as by a refresh: the error undoes nothing of that.  The next
 * refresh deletes the session and writes the event.
 */
pg_noreturn static void
refuse_older_token(const Session *session, const RefreshToken *token, const Client *client,
				   TimestampTz now)
{
	refuse_rotation_in_future(session, token, client, now);
	if (is_reused(session, token, client, false, now))
	{
		counter_statistic_add(COUNTER_REUSED_REFRESH_TOKENS, 1);
		sessions_revoke_at_once(session);
	}
	raise_invalid_refresh_token();
}

void
session_get_by_refresh_token(const char *text, DpopCheck *dpop, TimestampTz now,
							 Session *session, User *user)
{
	Client		client;
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;

	if (!read_refresh_token(text, strlen(text), token))
		raise_invalid_refresh_token();
	copy_ids_of_token(token, &user_id, &session_id);
	if (!sessions_find(&user_id, &session_id, now, session, user) ||
		!seed_matches(token, session))
		raise_invalid_refresh_token();
	if (user->is_disabled)
		raise_user_disabled();

	if (!client_find(session->client_id, &client))
		raise_invalid_refresh_token();
	if (!session_use_key(&client, session, dpop))
		raise_refresh_token_of_other_key();

	/*
	 * An older generation is refused even within the grace period: a client that
	 * promotes its guest has the newest token.
	 */
	if (token->generation != (uint32) session->generation)
		refuse_older_token(session, token, &client, now);
	wipe_bytes(token, sizeof(RefreshToken));
}

bool
session_user_of_refresh_token(const char *text, pg_uuid_t *user_id)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	pg_uuid_t	session_id;
	bool		authentic = read_refresh_token(text, strlen(text), token);

	if (authentic)
		copy_ids_of_token(token, user_id, &session_id);
	wipe_bytes(token, sizeof(RefreshToken));
	return authentic;
}

/*
 * Return whether a transaction that rotated and rolled back has presented the token,
 * longer ago than the grace period.
 *
 * A client may see the tokens of a transaction that rolls back afterwards.  If
 * that left no trace, it could use one refresh token again and again.  So a counter,
 * which a rollback does not undo, keeps the time of the first presentation until a
 * rotation commits.  One counter for each session is enough: tokens made by the
 * transaction itself are worthless after its rollback.
 */
static bool
was_presented_before(const Session *session, const RefreshToken *token, const Client *client,
					 TimestampTz now)
{
	char		id[UUID_TEXT_LENGTH + 1];
	char	   *name;
	int64		age;
	int64		seconds = Max(PRESENTED_TOKEN_SECONDS,
							  INT64CONST(2) * client->access_token_lifetime_seconds);

	if (session->rotated_at != now || session->generation != (int64) token->generation + 1)
		return false;
	uuid_to_text(&session->id, id);
	name = psprintf("session/presented/%s", id);
	if (counter_is_cleared_at_commit(name))
		return false;
	age = counter_set_once(name, token->generation, seconds * USECS_PER_SEC);
	counter_clear_at_commit(name);
	return age > rotation_grace(client);
}

/*
 * Mark the session of a token as used, rotate it if asked to, and fill session and
 * user.  Raises AA006, also for another client's session and for a proof of another key,
 * AA007, and AA026 if the session is bound to a key that the report does not show.
 *
 * A session that a client began before its clients.dpop became required is bound to the
 * key of its next refresh.  Otherwise no session is bound later than it begins.
 */
static void
use_session(const Client *client, const RefreshToken *token, bool rotate,
			const DeviceReport *report, TimestampTz now, Session *session, User *user)
{
	SessionDevice device;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	TimestampTz end;

	dpop_admit(client, report->dpop);
	device_report_complete(report, &device);
	if (client->dpop == DPOP_REQUIRED)
		device.dpop_jkt = report->dpop->jkt;
	copy_ids_of_token(token, &user_id, &session_id);
	end = expiry_after_use(client, session_started_at(&session_id), now);
	if (end <= now ||
		!sessions_use(&user_id, &session_id, end, rotate, (int) token->generation,
					  &device, now, session, user) ||
		!seed_matches(token, session))
		raise_invalid_refresh_token();
	session_require_client(session, client);
	if (user->is_disabled)
		raise_user_disabled();
	if (!session_use_key(client, session, report->dpop))
		raise_refresh_token_of_other_key();
}

/*
 * End a session whose refresh token or authorization code was copied.  It is revoked
 * outside the transaction, too: a rollback must not bring it back.
 */
static void
end_copied_session(const Session *session, const char *event_type, TimestampTz now)
{
	sessions_revoke_at_once(session);
	sessions_delete(&session->user_id, &session->id);
	users_session_ended(&session->user_id, now);
	events_insert(event_type, &session->user_id, session->client_id, NULL, now);
}

void
session_end_copied(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
				   const char *event_type, TimestampTz now)
{
	Session		session;
	User		user;

	if (sessions_find(user_id, session_id, now, &session, &user))
		end_copied_session(&session, event_type, now);
}

static void
issue_refreshed_tokens(const Client *client, const User *user, const Session *session,
					   RefreshToken *token, TimestampTz now, TokenResponse *response)
{
	users_touch(user, now);
	token->generation = (uint32) session->generation;
	claims_issue_tokens(client, user, session, write_refresh_token(token), NULL, now, response);
	counter_statistic_at_commit(COUNTER_REFRESHES, 1);
	counter_statistic_at_rollback(COUNTER_ROLLED_BACK_REFRESHES);
	wipe_bytes(token, sizeof(RefreshToken));
}

bool
session_refresh(const Client *client, const char *refresh_token, const DeviceReport *device,
				TimestampTz now, TokenResponse *response)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	Session		session;
	User		user;

	if (!read_refresh_token(refresh_token, strlen(refresh_token), token))
		raise_invalid_refresh_token();
	use_session(client, token, client->refresh_token_rotation_enabled, device, now, &session, &user);
	refuse_rotation_in_future(&session, token, client, now);
	if (sessions_revoked(&session.user_id, &session.id) ||
		is_reused(&session, token, client, client->refresh_token_rotation_enabled, now) ||
		was_presented_before(&session, token, client, now))
	{
		counter_statistic_add(COUNTER_REUSED_REFRESH_TOKENS, 1);
		end_copied_session(&session, "refresh_token.reused", now);
		return false;
	}
	issue_refreshed_tokens(client, &user, &session, token, now, response);
	return true;
}

void
session_resume(const Client *client, const char *refresh_token, const DeviceReport *device,
			   TimestampTz now, TokenResponse *response)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	Session		session;
	User		user;

	if (!read_refresh_token(refresh_token, strlen(refresh_token), token))
		raise_invalid_refresh_token();
	use_session(client, token, false, device, now, &session, &user);
	if (!user.is_anonymous)
		raise_not_anonymous();
	refuse_rotation_in_future(&session, token, client, now);
	if (sessions_revoked(&session.user_id, &session.id))
		raise_invalid_refresh_token();
	if (is_reused(&session, token, client, false, now))
		refuse_older_token(&session, token, client, now);
	issue_refreshed_tokens(client, &user, &session, token, now, response);
}

static void
record_sign_out(const pg_uuid_t *user_id, const char *client_id, TimestampTz now)
{
	users_session_ended(user_id, now);
	events_insert("user.signed_out", user_id, client_id, NULL, now);
}

void
session_end(const pg_uuid_t *user_id, const pg_uuid_t *session_id, const char *client_id,
			TimestampTz now)
{
	if (sessions_delete(user_id, session_id))
		record_sign_out(user_id, client_id, now);
}

uint64
session_end_others(const User *user, const Session *kept, TimestampTz now)
{
	uint64		count = sessions_delete_others(&user->id, &kept->id, now);

	authorization_codes_delete_others(&user->id, &kept->id);
	if (count > 0)
		events_insert("user.signed_out", &user->id, kept->client_id,
					  json_to_jsonb(psprintf("{\"sessions\": " UINT64_FORMAT "}", count)),
					  now);
	return count;
}

/* End the session of a token.  Tokens of older generations are accepted, too. */
static void
revoke_refresh_token(const RefreshToken *token, TimestampTz now)
{
	uint8		hash[SECRET_HASH_LENGTH];
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	char	   *client_id;

	copy_ids_of_token(token, &user_id, &session_id);
	crypto_hash_sha256(hash, token->seed, sizeof(token->seed));
	if (sessions_delete_with_secret(&user_id, &session_id, hash, now, &client_id))
		record_sign_out(&user_id, client_id, now);
}

void
session_revoke_token(const char *text, size_t length, TimestampTz now)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	OwnJwt		jwt;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;

	if (read_refresh_token(text, length, token))
	{
		revoke_refresh_token(token, now);
		return;
	}

	/* An access token that has expired still names the session to end. */
	if (own_jwt_open(text, length, &jwt) == NULL &&
		json_string_equals(jwt.header, "typ", "at+jwt") &&
		json_uuid(jwt.claims, "sub", &user_id) && json_uuid(jwt.claims, "sid", &session_id))
		session_end(&user_id, &session_id, json_cstring(jwt.claims, "client_id"), now);
}
