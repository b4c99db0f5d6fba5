/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Sessions (docs/authgear.md, section 6): their begin, what is known of them, and
 *	  their end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/secret_memory.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "counters/transaction_counters.h"
#include "domain/claims.h"
#include "domain/dpop.h"
#include "domain/own_jwt.h"
#include "domain/refresh_token.h"
#include "domain/session.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/clients.h"
#include "store/record.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"
#include "token/token.h"

void
session_require_client(const Session *session, const Client *client)
{
	if (session->client_id == NULL ||
		strcmp(session->client_id, client->client_id) != 0)
		raise_refresh_token_of_other_client();
}

TimestampTz
session_started_at(const pg_uuid_t *session_id)
{
	return uuid_v7_time(session_id);
}

/* docs/authgear.md, section 6.1 */
TimestampTz
session_expiry(const Client *client, TimestampTz begin, TimestampTz now)
{
	TimestampTz end = begin + client->refresh_token_lifetime_seconds * USECS_PER_SEC;

	if (client->refresh_token_idle_timeout_enabled)
		end = Min(end, now + client->refresh_token_idle_timeout_seconds * USECS_PER_SEC);
	return end;
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

	refresh_token_init(token, &session->user_id, &session->id);
	refresh_token_hash(token, session->secret_hash);
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
	session.expires_at = grant->has_refresh_token ? session_expiry(client, now, now) :
		now + client->access_token_lifetime_seconds * USECS_PER_SEC;
	device_report_complete(report, &device);
	sessions_insert(&session, &device);
	counter_statistic_at_rollback(COUNTER_ROLLED_BACK_LOGINS);
	claims_issue_tokens(client, user, &session,
						grant->has_refresh_token ? refresh_token_write(token) : NULL,
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

/* The session is revoked outside the transaction, too: a rollback must not bring it back. */
void
session_end_copied(const Session *session, const char *event_type, TimestampTz now)
{
	sessions_revoke_at_once(session);
	sessions_delete(&session->user_id, &session->id);
	sessions_ended(&session->user_id, now);
	events_insert(event_type, &session->user_id, session->client_id, NULL, now);
}

static void
record_sign_out(const pg_uuid_t *user_id, const char *client_id, TimestampTz now)
{
	sessions_ended(user_id, now);
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

	refresh_token_ids(token, &user_id, &session_id);
	refresh_token_hash(token, hash);
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

	if (refresh_token_read(text, length, token))
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
