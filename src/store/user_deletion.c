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

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "store/app_move.h"
#include "store/app_release.h"
#include "store/app_statement.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/user_deletion.h"
#include "utils/guc.h"

/* In the order in which all functions lock these tables (see store.h). */
static StoreStatement delete_of_users[] = {
	{
		.sql = "DELETE FROM anon_auth.device_keys WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.one_time_codes WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.outbox WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.sessions WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.authorization_codes WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.login_ids WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	},
	{
		.sql = "DELETE FROM anon_auth.passwords WHERE user_id = ANY ($1)",
		.nparams = 1,.types = {UUIDARRAYOID}
	}
};

static StoreStatement find_left_behind = {
	.sql = "SELECT 1 FROM anon_auth.sessions WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.device_keys WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.one_time_codes WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.outbox WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.authorization_codes WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.login_ids WHERE user_id = ANY ($1)"
	" UNION ALL SELECT 1 FROM anon_auth.passwords WHERE user_id = ANY ($1)",
	.nparams = 1,
	.types = {UUIDARRAYOID}
};

static StoreStatement delete_users = {
	.sql = "DELETE FROM anon_auth.users WHERE id = ANY ($1)",
	.nparams = 1,
	.types = {UUIDARRAYOID}
};

static StoreStatement delete_new_user = {
	.sql = "DELETE FROM anon_auth.users WHERE id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

/*
 * Run a statement for which no trigger fires except those enabled ALWAYS or for
 * replicas.  The triggers of foreign keys do not fire either: no row references the
 * users by now.
 */
static void
run_without_triggers(StoreStatement *statement, const Datum *params)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	store_run(statement, params, NULL, NULL);
	AtEOXact_GUC(false, nest_level);
}

/*
 * A transaction that keeps one snapshot does not see rows, such as a session, that
 * were committed between the snapshot and the lock of their user.  Without triggers,
 * such a row would stay without a user.
 */
static void
refuse_unseen_rows(const Datum *params)
{
	if (IsolationUsesXactSnapshot() && store_run_latest(&find_left_behind, params, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

void
user_deletion_delete_locally(ArrayType *ids)
{
	Datum		params[1] = {PointerGetDatum(ids)};
	int			i;

	for (i = 0; i < lengthof(delete_of_users); i++)
		store_run(&delete_of_users[i], params, NULL, NULL);
	refuse_unseen_rows(params);
	run_without_triggers(&delete_users, params);
}

void
user_deletion_delete(ArrayType *ids)
{
	app_statement_run_deferred();
	app_release_users(ids);
	placement_current()->delete_users(ids);
}

AppTable *
user_deletion_merge(const pg_uuid_t *id, const pg_uuid_t *into, int *count)
{
	AppTable   *tables = app_move_rows(id, into, count);
	Datum		item = UUIDPGetDatum(id);

	placement_current()->delete_users(construct_array(&item, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	return tables;
}

void
user_deletion_undo_insert(const pg_uuid_t *id)
{
	Datum		params[1] = {UUIDPGetDatum(id)};

	run_without_triggers(&delete_new_user, params);
}

void
user_deletion_delete_one(const pg_uuid_t *id)
{
	Datum		item = UUIDPGetDatum(id);

	user_deletion_delete(construct_array(&item, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
