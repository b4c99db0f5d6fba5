/*-------------------------------------------------------------------------
 *
 * user_deletion.c
 *	  Deleting users with everything that belongs to them.
 *
 * A plain DELETE on users would have the same result by the actions of foreign keys,
 * but it would run triggers of the application as the extension's owner (see
 * app_release.c).  Therefore statements of this file delete all rows, and the users
 * last, without triggers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "store/app_move.h"
#include "store/app_release.h"
#include "store/app_statement.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/user_deletion.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* All rows of users in a table of the extension. */
#define DELETE_OF_USERS(table) \
	{.sql = "DELETE FROM anon_auth." table " WHERE user_id = ANY (:users)", \
	 .user_table = table}

/* The routes of codes for the users' addresses, and of the messages with these codes. */
#define ROUTES_OF_USERS \
	"(SELECT pg_catalog.unnest(login_id_routes) FROM anon_auth.users WHERE id = ANY (:users))"

/* In the order in which all functions lock these tables: see statement.h. */
static Statement delete_of_users[] = {
	DELETE_OF_USERS("device_keys"),
	{.sql = USER_DELETION_FORGET_KEYS,.user_table = "removed_device_keys"},
	DELETE_OF_USERS("one_time_codes"),
	{.sql = "DELETE FROM anon_auth.address_codes WHERE route IN " ROUTES_OF_USERS},
	{.sql = "DELETE FROM anon_auth.outbox WHERE route IN " ROUTES_OF_USERS},
	{.sql = "DELETE FROM anon_auth.outbox WHERE route = ANY (:users)"},
	DELETE_OF_USERS("merged_guests"),
	DELETE_OF_USERS("sessions"),
	DELETE_OF_USERS("authorization_codes"),
	DELETE_OF_USERS("login_ids"),
	DELETE_OF_USERS("user_identities"),
	DELETE_OF_USERS("passkeys"),
	DELETE_OF_USERS("passwords")
};

static Statement find_left_behind = {
	.sql = "SELECT 1 FROM anon_auth.sessions WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.device_keys WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.removed_device_keys WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.one_time_codes WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.outbox WHERE route = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.merged_guests WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.authorization_codes WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.login_ids WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.user_identities WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.passkeys WHERE user_id = ANY (:users)"
	" UNION ALL SELECT 1 FROM anon_auth.passwords WHERE user_id = ANY (:users)"
};

static Statement delete_users = {
	.sql = "DELETE FROM anon_auth.users WHERE id = ANY (:users)"
};

static Statement delete_new_user = {
	.sql = "DELETE FROM anon_auth.users WHERE id = :id"
};

/*
 * Whether a trigger of users fires for replicas, too.  The lock keeps the answer true until
 * the end of the transaction.
 */
static bool
has_replica_triggers(void)
{
	Oid			users_id = get_relname_relid("users", get_namespace_oid("anon_auth", false));
	Relation	users = table_open(users_id, RowExclusiveLock);
	TriggerDesc *triggers = users->trigdesc;
	bool		found = false;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		found = found || triggers->triggers[i].tgenabled == TRIGGER_FIRES_ALWAYS ||
			triggers->triggers[i].tgenabled == TRIGGER_FIRES_ON_REPLICA;
	table_close(users, NoLock);
	return found;
}

/* Run a statement, and the triggers enabled ALWAYS or for replicas. */
static void
run_with_replica_triggers(Statement *statement, const NamedParam *params)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	statement_run(statement, params);
	AtEOXact_GUC(false, nest_level);
}

/*
 * Run a statement on users for which no trigger fires except those enabled ALWAYS or for
 * replicas.  The triggers of foreign keys do not fire either: no row references the
 * users by now.
 *
 * To set session_replication_role discards all plans of the backend, because rules depend
 * on it.  Planning them again takes longer than a deletion.  Without triggers nothing but
 * the statement runs, which is always planned as it is here.  So the variable is enough.
 */
static void
run_without_triggers(Statement *statement, const NamedParam *params)
{
	int			role = SessionReplicationRole;

	if (has_replica_triggers())
	{
		run_with_replica_triggers(statement, params);
		return;
	}
	PG_TRY();
	{
		SessionReplicationRole = SESSION_REPLICATION_ROLE_REPLICA;
		statement_run(statement, params);
	}
	PG_FINALLY();
	{
		SessionReplicationRole = role;
	}
	PG_END_TRY();
}

/*
 * A transaction that keeps one snapshot does not see rows, such as a session, that
 * were committed between the snapshot and the lock of their user.  Without triggers,
 * such a row would stay without a user.
 */
static void
refuse_unseen_rows(ArrayType *users)
{
	if (IsolationUsesXactSnapshot() &&
		statement_fetch_latest(&find_left_behind, PARAMS(param_uuids("users", users)), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

void
user_deletion_delete_locally(ArrayType *users)
{
	int			i;

	for (i = 0; i < lengthof(delete_of_users); i++)
		statement_run(&delete_of_users[i], PARAMS(param_uuids("users", users)));
	refuse_unseen_rows(users);
	run_without_triggers(&delete_users, PARAMS(param_uuids("users", users)));
}

void
user_deletion_delete(ArrayType *users)
{
	app_statement_run_deferred();
	app_release_users(users);
	placement_current()->delete_users(users);
}

static ArrayType *
make_array(const pg_uuid_t *id)
{
	Datum		item = UUIDPGetDatum(id);

	return construct_array(&item, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

void
user_deletion_delete_one(const pg_uuid_t *id)
{
	user_deletion_delete(make_array(id));
}

AppTable *
user_deletion_merge(const pg_uuid_t *id, const pg_uuid_t *into, int *count)
{
	AppTable   *tables = app_move_rows(id, into, count);

	placement_current()->delete_users(make_array(id));
	return tables;
}

void
user_deletion_undo_insert(const pg_uuid_t *id)
{
	run_without_triggers(&delete_new_user, PARAMS(param_uuid("id", id)));
}
