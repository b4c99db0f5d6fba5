/*-------------------------------------------------------------------------
 *
 * session_refresh.c
 *	  The use of refresh tokens (docs/authgear.md, section 6).
 *
 * With rotation, the token of the previous generation gets the same successor
 * again during a grace period, so that a lost response or a second browser tab does
 * no harm.  An older token must have been copied, and ends the session (RFC 9700,
 * section 4.14.2).
 *
 * Locking: a refresh updates the session's row first, so it holds that row when
 * it decides whether the token was reused.  It does not wait for the user's row,
 * which comes before sessions in the lock order: users_touch() and
 * sessions_ended() skip a row that another transaction has locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
#include "domain/refresh_token.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"
#include "token/token.h"

/*
 * How far rotated_at may be in the future although the clock is right: of two
 * concurrent refreshes, the one that read the clock later may rotate first.
 */
#define CLOCK_TOLERANCE_SECONDS	10

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

	if (!refresh_token_read(text, strlen(text), token))
		raise_invalid_refresh_token();
	refresh_token_ids(token, &user_id, &session_id);
	if (!sessions_find(&user_id, &session_id, now, session, user) ||
		!refresh_token_matches(token, session))
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
	refresh_token_ids(token, &user_id, &session_id);
	end = session_expiry(client, session_started_at(&session_id), now);
	if (end <= now ||
		!sessions_use(&user_id, &session_id, end, rotate, (int) token->generation,
					  &device, now, session, user) ||
		!refresh_token_matches(token, session))
		raise_invalid_refresh_token();
	session_require_client(session, client);
	if (user->is_disabled)
		raise_user_disabled();
	if (!session_use_key(client, session, report->dpop))
		raise_refresh_token_of_other_key();
}

static void
issue_refreshed_tokens(const Client *client, const User *user, const Session *session,
					   RefreshToken *token, TimestampTz now, TokenResponse *response)
{
	users_touch(user, now);
	token->generation = (uint32) session->generation;
	claims_issue_tokens(client, user, session, refresh_token_write(token), NULL, now, response);
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

	if (!refresh_token_read(refresh_token, strlen(refresh_token), token))
		raise_invalid_refresh_token();
	use_session(client, token, client->refresh_token_rotation_enabled, device, now, &session, &user);
	refuse_rotation_in_future(&session, token, client, now);
	if (sessions_revoked(&session.user_id, &session.id) ||
		is_reused(&session, token, client, client->refresh_token_rotation_enabled, now) ||
		was_presented_before(&session, token, client, now))
	{
		counter_statistic_add(COUNTER_REUSED_REFRESH_TOKENS, 1);
		session_end_copied(&session, "refresh_token.reused", now);
		return false;
	}
	issue_refreshed_tokens(client, &user, &session, token, now, response);
	return true;
}

void
session_refresh_guest(const Client *client, const char *refresh_token,
					  const DeviceReport *device, TimestampTz now, TokenResponse *response)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	Session		session;
	User		user;

	if (!refresh_token_read(refresh_token, strlen(refresh_token), token))
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
