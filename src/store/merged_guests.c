/*-------------------------------------------------------------------------
 *
 * merged_guests.c
 *	  Statements on anon_auth.merged_guests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/merged_guests.h"
#include "store/statement.h"

/* A conflict is possible only if a guest was inserted with the id of a deleted one. */
static Statement insert_guest = {
	.sql = "INSERT INTO anon_auth.merged_guests (user_id, guest_id, merged_at)"
	" VALUES (:user_id, :guest_id, :now)"
	" ON CONFLICT (user_id, guest_id) DO UPDATE SET merged_at = excluded.merged_at"
};

static Statement find_guest = {
	.sql = "SELECT 1 FROM anon_auth.merged_guests"
	" WHERE user_id = :user_id AND guest_id = :guest_id"
};

void
merged_guests_insert(const pg_uuid_t *guest_id, const pg_uuid_t *user_id, TimestampTz now)
{
	statement_run(&insert_guest,
				  PARAMS(param_uuid("user_id", user_id), param_uuid("guest_id", guest_id),
						 param_timestamp("now", now)));
}

bool
merged_guests_find(const pg_uuid_t *guest_id, const pg_uuid_t *user_id)
{
	return statement_run(&find_guest,
						 PARAMS(param_uuid("user_id", user_id),
								param_uuid("guest_id", guest_id))) > 0;
}
