/*-------------------------------------------------------------------------
 *
 * cookie_session.c
 *	  Sessions whose secret a browser keeps in a cookie (docs/authgear.md,
 *	  sections 2.1 and 6.1).
 *
 * The cookie's value has the form of a refresh token that is never rotated.  Its
 * MAC has another key, so that neither is accepted in place of the other.
 *
 * After a change of the master key, the browser gets the same seed under a MAC of the
 * current key (cookie_session_renewed_cookie()).  So the session outlives the former key,
 * no row is written, and requests with either cookie are accepted meanwhile.
 *
 * Every request with the cookie moves the session's expiry, which is a write.
 * To keep reads cheap, the expiry moves only if that gains ten minutes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "base/limits.h"
#include "base/secret_memory.h"
#include "base/wipe.h"
#include "counters/counters.h"
#include "counters/transaction_counters.h"
#include "domain/cookie_session.h"
#include "domain/session.h"
#include "keyring/master_key.h"
#include "store/record.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"
#include "token/token.h"

/*
 * Return when a session expires that is used now: the earlier of its lifetime and
 * the idle timeout.
 */
static TimestampTz
expiry_after_use(const BrowserPolicy *policy, TimestampTz begin, TimestampTz now)
{
	TimestampTz end = begin + policy->session_lifetime_seconds * USECS_PER_SEC;

	if (policy->session_idle_timeout_enabled)
		end = Min(end, now + policy->session_idle_timeout_seconds * USECS_PER_SEC);
	return end;
}

TimestampTz
cookie_session_expiry(const BrowserPolicy *policy, TimestampTz now)
{
	return expiry_after_use(policy, now, now);
}

void
cookie_session_read_policy(BrowserPolicy *policy)
{
	settings_read_browser_policy(policy);
}

char *
cookie_session_start(const char *client_id, const User *user, const StringList *amr,
					 const DeviceReport *report, const BrowserPolicy *policy, TimestampTz now)
{
	SessionDevice device;
	Session		session;
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	char	   *cookie = palloc(TOKEN_TEXT_SIZE);
	pg_uuid_t	id = session_new_id(now);

	session_make_room(user, client_id, now);
	session_init(user, &id, now, amr, now, &session, token);
	session.client_id = (char *) client_id;
	session.expires_at = cookie_session_expiry(policy, now);
	session.session_type = SESSION_COOKIE;
	device_report_complete(report, &device);
	sessions_insert(&session, &device);
	counter_statistic_at_rollback(COUNTER_ROLLED_BACK_LOGINS);
	token_write_refresh_token(token, master_key_derived(MASTER_KEY_SESSION_COOKIE, 0), cookie);
	wipe_bytes(token, sizeof(RefreshToken));
	return cookie;
}

/*
 * Read a cookie, and set *key_index to the master key of its MAC: 0 is the current one.
 * Return false if the cookie is not authentic.
 */
static bool
read_cookie(const char *cookie, RefreshToken *token, int *key_index)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_SESSION_COOKIE, i)) != NULL; i++)
	{
		*key_index = i;
		if (token_read_refresh_token(token, key, cookie, strlen(cookie)))
			return true;
	}
	return false;
}

bool
cookie_session_find(const char *cookie, TimestampTz now, Session *session, User *user)
{
	RefreshToken token;
	uint8		hash[SECRET_HASH_LENGTH];
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	int			key_index;

	if (!read_cookie(cookie, &token, &key_index))
		return false;
	memcpy(user_id.data, token.user_id, UUID_LEN);
	memcpy(session_id.data, token.session_id, UUID_LEN);
	crypto_hash_sha256(hash, token.seed, sizeof(token.seed));
	wipe_bytes(&token, sizeof(token));
	return sessions_find(&user_id, &session_id, now, session, user) &&
		sodium_memcmp(hash, session->secret_hash, SECRET_HASH_LENGTH) == 0 &&
		!user->is_disabled;
}

Jsonb *
cookie_session_device_info(const Session *session)
{
	return sessions_device_info(&session->user_id, &session->id);
}

char *
cookie_session_renewed_cookie(const char *cookie)
{
	RefreshToken *token = secret_memory_alloc(sizeof(RefreshToken));
	char	   *renewed = NULL;
	int			key_index;

	if (read_cookie(cookie, token, &key_index) && key_index > 0)
	{
		renewed = palloc(TOKEN_TEXT_SIZE);
		token_write_refresh_token(token, master_key_derived(MASTER_KEY_SESSION_COOKIE, 0),
								  renewed);
	}
	wipe_bytes(token, sizeof(RefreshToken));
	return renewed;
}

void
cookie_session_touch(const Session *session, const DeviceReport *report,
					 const BrowserPolicy *policy, TimestampTz now)
{
	TimestampTz end = expiry_after_use(policy, session_started_at(&session->id), now);
	SessionDevice device;
	Session		touched;
	User		user;

	/* Smaller steps are not worth a write. */
	if (XactReadOnly || RecoveryInProgress() ||
		end - session->expires_at < COOKIE_SESSION_TOUCH_SECONDS * USECS_PER_SEC)
		return;
	device_report_complete(report, &device);
	if (sessions_use(&session->user_id, &session->id, end, false, 0, &device, now, &touched, &user))
		users_touch(&user, now);
}
