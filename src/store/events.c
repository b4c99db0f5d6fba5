/*-------------------------------------------------------------------------
 *
 * events.c
 *	  The one statement on anon_auth.events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "store/statement.h"
#include "store/store.h"

static StoreStatement insert_event = {
	.sql = "INSERT INTO anon_auth.events (user_id, id, type, client_id, created_at, payload)"
	" VALUES ($1, $2, $3, $4, $5, coalesce($6, '{}'))",
	.nparams = 6,
	.types = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, JSONBOID}
};

bool
event_is_kept(const char *type)
{
	const Settings *settings = settings_get();
	int			i;

	if (settings->keep_all_events)
		return true;
	for (i = 0; i < settings->event_types.count; i++)
		if (strcmp(settings->event_types.items[i], type) == 0)
			return true;
	return false;
}

void
event_insert(const char *type, const pg_uuid_t *user_id, const char *client_id,
			 Jsonb *payload, TimestampTz now)
{
	static const pg_uuid_t nil_uuid;
	pg_uuid_t	id;
	Datum		params[6];
	bool		nulls[6] = {false};

	if (!event_is_kept(type))
		return;
	id = uuid_new_v7(now);
	params[0] = UUIDPGetDatum(user_id != NULL ? user_id : &nil_uuid);
	params[1] = UUIDPGetDatum(&id);
	params[2] = text_param(type);
	params[3] = text_param(client_id);
	nulls[3] = client_id == NULL;
	params[4] = TimestampTzGetDatum(now);
	params[5] = payload == NULL ? (Datum) 0 : JsonbPGetDatum(payload);
	nulls[5] = payload == NULL;
	store_run(&insert_event, params, nulls, NULL);
}
