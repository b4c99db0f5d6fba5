/*-------------------------------------------------------------------------
 *
 * own_sessions.c
 *	  What users see of their sessions, and how they end them.
 *
 * The user's row is updated before a session ends.  So a transaction with an older
 * snapshot, in which the session is alive, fails when it locks that row to change how
 * the account can be opened (see users.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/uuid.h"
#include "domain/own_sessions.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "store/events.h"

ListedSession *
own_sessions_list(const User *user, TimestampTz now, int *count)
{
	return sessions_list(&user->id, now, count);
}

static void
begin_ending(const User *user)
{
	if (!users_begin_revocation(&user->id))
		raise_invalid_session("The user does not exist.");
}

static Jsonb *
payload_of_session(const pg_uuid_t *session_id)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_uuid(&json, "session_id", session_id);
	json_close(&json);
	return json_to_jsonb(json.data);
}

bool
own_sessions_end(const User *user, const Session *current, const pg_uuid_t *session_id,
				 TimestampTz now)
{
	begin_ending(user);
	if (memcmp(session_id, &current->id, UUID_LEN) == 0)
	{
		session_end(&user->id, session_id, current->client_id, now);
		return true;
	}
	if (!sessions_delete(&user->id, session_id))
		return false;
	events_insert("user.signed_out", &user->id, current->client_id,
				  payload_of_session(session_id), now);
	return true;
}

uint64
own_sessions_end_others(const User *user, const Session *current, TimestampTz now)
{
	begin_ending(user);
	return session_end_others(user, current, now);
}
