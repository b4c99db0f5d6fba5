/*-------------------------------------------------------------------------
 *
 * app_session.c
 *	  A browser that opens the session of an app on the settings pages.
 *
 * Token and cookie name a user and a session under a MAC, each with a key for its kind, so
 * that neither is accepted in place of the other.  No table has them.  The row of the
 * session keeps when its last used token was issued: that token and all earlier ones are
 * used up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/app_session.h"
#include "domain/client.h"
#include "domain/lifetimes.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "keyring/master_key.h"
#include "token/token.h"

static char *
write_text(MasterKeyUse use, const Session *session, TimestampTz now)
{
	AppSession	app = {.issued_at = now,.authenticated_at = session->authenticated_at};
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	memcpy(app.user_id, session->user_id.data, UUID_LEN);
	memcpy(app.session_id, session->id.data, UUID_LEN);
	token_write_app_session(&app, master_key_derived(use, 0), text);
	return text;
}

/*
 * Find the live session that a text names.  Return false if the text is not authentic, or
 * was issued before the lifetime, given in seconds.
 */
static bool
find_session(MasterKeyUse use, const char *text, int64 lifetime, TimestampTz now, AppSession *app,
			 Session *session, User *user)
{
	const uint8 *key;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	bool		authentic = false;
	int			i;

	for (i = 0; !authentic && (key = master_key_derived(use, i)) != NULL; i++)
		authentic = token_read_app_session(app, key, text, strlen(text));
	if (!authentic || app->issued_at + lifetime * USECS_PER_SEC <= now)
		return false;
	memcpy(user_id.data, app->user_id, UUID_LEN);
	memcpy(session_id.data, app->session_id, UUID_LEN);
	return session_find_alive(&user_id, &session_id, now, session, user);
}

char *
app_session_create_token(const char *refresh_token, DpopCheck *dpop, TimestampTz now,
						 TimestampTz *expires_at)
{
	Session		session;
	User		user;
	Client		client;

	session_get_by_refresh_token(refresh_token, dpop, now, &session, &user);
	client_get(session.client_id, &client);
	client_require_first_party(&client);
	*expires_at = now + SHORT_LIFETIME;
	return write_text(MASTER_KEY_APP_SESSION_TOKEN, &session, now);
}

bool
app_session_use_token(const char *token, const Client *client, TimestampTz now, Session *session,
					  User *user)
{
	AppSession	app;

	return find_session(MASTER_KEY_APP_SESSION_TOKEN, token, SHORT_LIFETIME_SECONDS, now, &app,
						session, user) &&
		session->client_id != NULL && strcmp(session->client_id, client->client_id) == 0 &&
		sessions_use_app_token(&session->user_id, &session->id, app.issued_at, now);
}

char *
app_session_write_cookie(const Session *session, TimestampTz now)
{
	return write_text(MASTER_KEY_APP_SESSION, session, now);
}

bool
app_session_find(const char *cookie, TimestampTz now, Session *session, User *user,
				 TimestampTz *issued_at)
{
	AppSession	app;

	if (!find_session(MASTER_KEY_APP_SESSION, cookie, APP_SESSION_IDLE_SECONDS, now, &app, session,
					  user))
		return false;
	session->authenticated_at = Max(session->authenticated_at, app.authenticated_at);
	*issued_at = app.issued_at;
	return true;
}
