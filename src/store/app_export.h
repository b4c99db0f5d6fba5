/*-------------------------------------------------------------------------
 *
 * app_export.h
 *	  The rows of the application's tables that reference a user, as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_EXPORT_H
#define ANON_AUTH_APP_EXPORT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/uuid.h"

/*
 * Append a member to a JSON object for each table with a foreign key to users: an array of
 * the user's rows, named by schema and table.  Each is read as the table's owner.  Raises
 * as app_tables_find(), and 42501 if an owner may not read the table.
 */
extern void app_export_add(StringInfo json, const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_APP_EXPORT_H */
