/*-------------------------------------------------------------------------
 *
 * citus.c
 *	  The operations of placement.h where Citus has distributed the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "citus/citus.h"
#include "citus/citus_move.h"
#include "citus/citus_purge.h"
#include "citus/citus_statement.h"
#include "citus/citus_tables.h"
#include "citus/citus_users.h"
#include "store/placement.h"

static void
warn_of_rotation(void)
{
	ereport(WARNING,
			(errmsg("the other nodes cannot open what is sealed here until they have this master key file"),
			 errhint("Copy it to every node now. docs/citus.md says how to change the key without an interruption.")));
}

static const Placement placement_citus = {
	.plan_slot = 1,
	.cursor_options = 0,
	.enter_statement = citus_statement_enter,
	.require_safe_write = citus_statement_require_safe_write,
	.new_user_id = citus_users_new_id,
	.lock_device_keys = citus_users_lock_device_keys,
	.users_per_lock = 1,
	.delete_due_sessions = citus_purge_sessions,
	.delete_due_rows = citus_purge_rows,
	.take_outbox_messages = citus_purge_outbox_take,
	.delete_users = citus_users_delete,
	.check_app_tables = citus_move_check_tables,
	.append_move = citus_move_append,
	.master_key_rotated = warn_of_rotation
};

static const Placement *
choose_placement(void)
{
	return citus_tables_are_distributed() ? &placement_citus : NULL;
}

void
citus_init(void)
{
	citus_statement_init();
	citus_tables_init();
	placement_set_chooser(choose_placement);
}
