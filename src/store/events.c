/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Statements on anon_auth.events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "store/events.h"
#include "store/settings.h"
#include "store/statement.h"

static Statement insert_event = {
	.sql = "INSERT INTO anon_auth.events (user_id, id, type, client_id, created_at, payload)"
	" VALUES (:user_id, :id, :type, :client_id, :now, coalesce(:payload, '{}'))"
};

/* The ids are in the order of their times, so this reads only the latest events. */
static Statement count_events = {
	.sql = "SELECT 1 FROM anon_auth.events WHERE user_id = :user_id AND id >= :first"
	" AND type = ANY (:types) LIMIT :limit"
};

bool
events_are_kept(const char *type)
{
	const Settings *settings = settings_get();

	return settings->event_types.items == NULL ||
		string_list_contains(&settings->event_types, type);
}

/* user_id is part of the primary key: the nil UUID stands for no user. */
void
events_insert(const char *type, const pg_uuid_t *user_id, const char *client_id,
			  Jsonb *payload, TimestampTz now)
{
	static const pg_uuid_t nil_uuid;
	pg_uuid_t	id;

	if (!events_are_kept(type))
		return;
	id = uuid_new_v7(now);
	statement_run(&insert_event,
				  PARAMS(param_uuid("user_id", user_id != NULL ? user_id : &nil_uuid),
						 param_uuid("id", &id),
						 param_text("type", type),
						 param_text("client_id", client_id),
						 param_timestamp("now", now),
						 param_jsonb("payload", payload)));
}

uint64
events_count(const pg_uuid_t *user_id, const StringList *types, TimestampTz since, int limit)
{
	pg_uuid_t	first = uuid_v7_first(since);

	return statement_run(&count_events,
						 PARAMS(param_uuid("user_id", user_id), param_uuid("first", &first),
								param_text_list("types", types), param_int8("limit", limit)));
}
