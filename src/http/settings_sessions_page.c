/*-------------------------------------------------------------------------
 *
 * settings_sessions_page.c
 *	  /settings/sessions: the live sessions, which the user can end, and the device keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "domain/own_sessions.h"
#include "http/settings_device.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "json/json_write.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"

/* ---- showing ---- */

/* A session that is in use has a row of the time when it was last used. */
static void
add_session(StringInfo model, const HttpSettings *settings, const ListedSession *session)
{
	bool		is_current = memcmp(&session->id, &settings->session.id, UUID_LEN) == 0;
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_to_text(&session->id, id);
	settings_device_begin_row(model, session);
	json_add_boolean(model, "is_current", is_current);
	settings_parts_begin_facts(model);
	if (session->client_name != NULL)
		settings_parts_add_fact(model, "session_client", "client", session->client_name);
	if (session->client_address != NULL)
		settings_parts_add_fact(model, "session_address", "address",
								DatumGetCString(DirectFunctionCall1(inet_out,
																	InetPGetDatum(session->client_address))));
	settings_parts_add_time(model, "session_started", session->created_at);
	settings_parts_add_time(model, "session_used", session->last_used_at);
	settings_parts_begin_ways(model);
	if (!is_current)
		settings_parts_add_button(model, "end_session", http_settings_uri(settings, "/sessions"),
								  "session_id", id);
	settings_parts_end_row(model);
}

/* The user looks for the session of this browser first. */
static void
add_sessions(StringInfo model, const HttpSettings *settings, const ListedSession *sessions,
			 int count, bool is_current)
{
	int			i;

	for (i = 0; i < count; i++)
		if ((memcmp(&sessions[i].id, &settings->session.id, UUID_LEN) == 0) == is_current)
			add_session(model, settings, &sessions[i]);
}

static void
show_sessions(const HttpSettings *settings, HttpResponse *response)
{
	StringInfoData model;
	int			count;
	ListedSession *sessions = own_sessions_list(&settings->user, settings->request->now, &count);

	http_settings_begin(&model, settings, "sessions");
	settings_parts_begin(&model);
	settings_parts_begin_rows(&model, NULL);
	add_sessions(&model, settings, sessions, count, true);
	add_sessions(&model, settings, sessions, count, false);
	settings_parts_end_rows(&model);
	if (count > 1)
	{
		settings_parts_begin_form(&model, http_settings_uri(settings, "/sessions"),
								  "end_other_sessions", true);
		settings_parts_add_hidden(&model, "session_id", "others");
		settings_parts_end_form(&model);
	}
	settings_device_key_add_rows(&model, settings);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

/* ---- ending ---- */

typedef struct Ending
{
	HttpSettings *settings;
	const char *session_id;		/* "others" for all but the current one */
	const char *notice;			/* NULL: no session has ended */
} Ending;

/* A SubtransactionAction.  A session that is not one of the caller's is left alone. */
static void
end_sessions(void *arg)
{
	Ending	   *ending = arg;
	HttpSettings *settings = ending->settings;
	TimestampTz now = settings->request->now;
	pg_uuid_t	id;

	http_settings_lock(settings);
	if (strcmp(ending->session_id, "others") == 0)
	{
		(void) own_sessions_end_others(&settings->user, &settings->session, now);
		ending->notice = "other_sessions_ended";
	}
	else if (uuid_from_text(ending->session_id, strlen(ending->session_id), &id) &&
			 memcmp(&id, &settings->session.id, UUID_LEN) != 0 &&
			 own_sessions_end(&settings->user, &settings->session, &id, now))
		ending->notice = "session_ended";
}

void
settings_sessions_page(HttpSettings *settings, HttpResponse *response)
{
	Ending		ending = {.settings = settings};

	if (!settings->is_post)
	{
		show_sessions(settings, response);
		return;
	}
	ending.session_id = http_param(&settings->form, "session_id");
	if (ending.session_id == NULL)
		ending.session_id = "";
	switch (http_settings_try(settings, end_sessions, &ending, response, NULL))
	{
		case SETTINGS_DONE:
			http_settings_done(settings, "/sessions", ending.notice, response);
			break;
		case SETTINGS_REFUSED:
			show_sessions(settings, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}
