/*-------------------------------------------------------------------------
 *
 * account_export.c
 *	  Copies of everything that is stored about one user, for the user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_export.h"
#include "domain/user_admin.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "store/app_export.h"
#include "store/events.h"
#include "store/user_export.h"

Jsonb *
account_export_by_user(const User *user, const Session *session, TimestampTz now)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	user_export_add(&json, user);
	json_close(&json);
	events_insert("account.exported", &user->id, session->client_id, NULL, now);
	return json_to_jsonb(json.data);
}

Jsonb *
account_export_by_admin(const pg_uuid_t *id, TimestampTz now)
{
	StringInfoData json;
	User		user;

	user_admin_lock(id, &user);
	initStringInfo(&json);
	json_open(&json);
	user_export_add(&json, &user);
	json_add_name(&json, "linked_tables");
	appendStringInfoChar(&json, '{');
	app_export_add(&json, id);
	appendStringInfoString(&json, "}}");
	events_insert("account.exported", id, NULL, NULL, now);
	return json_to_jsonb(json.data);
}
