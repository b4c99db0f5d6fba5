/*-------------------------------------------------------------------------
 *
 * placement_local.c
 *	  The operations of placement.h where this database has all rows.
 *
 * Longer ones are in the file of their subject, as functions that end in "_locally".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/uuid.h"
#include "nodes/parsenodes.h"
#include "store/app_move.h"
#include "store/due_guests.h"
#include "store/due_rows.h"
#include "store/outbox.h"
#include "store/placement.h"
#include "store/placement_local.h"
#include "store/user_deletion.h"

static int
enter_any_statement(int nest_level)
{
	return nest_level;
}

/* PostgreSQL can roll back each of its own writes. */
static void
accept_write(void)
{
}

static pg_uuid_t
new_id_of_any_user(const pg_uuid_t *route, TimestampTz now)
{
	return uuid_new_v7(now);
}

/* A transaction can act as the owners of several tables. */
static void
accept_app_tables(const AppTable *tables, int count)
{
}

/* Standby servers and other databases are told by the documentation. */
static void
ignore_rotation(void)
{
}

static const Placement placement_local = {
	.plan_slot = 0,
	.cursor_options = CURSOR_OPT_GENERIC_PLAN,
	.enter_statement = enter_any_statement,
	.require_safe_write = accept_write,
	.new_user_id = new_id_of_any_user,
	.lock_device_keys = due_guests_lock_device_keys_locally,
	.users_per_lock = INT_MAX,
	.delete_due_sessions = due_rows_delete_sessions_locally,
	.delete_due_rows = due_rows_delete_locally,
	.take_outbox_messages = outbox_take_locally,
	.delete_users = user_deletion_delete_locally,
	.check_app_tables = accept_app_tables,
	.append_move = app_move_append_locally,
	.master_key_rotated = ignore_rotation
};

void
placement_local_init(void)
{
	placement_set_default(&placement_local);
}
