/*-------------------------------------------------------------------------
 *
 * user_deletion.c
 *	  Deleting users and all that belongs to them.
 *
 * The foreign keys of the extension's tables would do the same, if the users
 * were simply deleted; so would those of the application's tables, but with
 * triggers that run as the extension's owner (see app_release.c).  Therefore
 * all is done by statements of ours, and foreign keys are not asked.  It is
 * also right where the tables are distributed and some of those keys are gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "store/app_move.h"
#include "store/app_tables.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/guc.h"

/* In the order of their locks. */
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

/* Runs a statement for which no trigger fires, those of foreign keys included. */
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
 * With one snapshot for the whole transaction, a session that came between it
 * and the lock of its user would be left behind.
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
users_delete_locally(ArrayType *ids)
{
	Datum		params[1] = {PointerGetDatum(ids)};
	int			i;

	for (i = 0; i < lengthof(delete_of_users); i++)
		store_run(&delete_of_users[i], params, NULL, NULL);
	refuse_unseen_rows(params);
	run_without_triggers(&delete_users, params);
}

void
users_delete(ArrayType *ids)
{
	app_constraints_immediate();
	app_tables_release(ids);
	placement_current()->delete_users(ids);
}

AppTable *
user_delete_merged(const pg_uuid_t *id, const pg_uuid_t *into, int *count)
{
	AppTable   *tables = app_move_rows(id, into, count);
	Datum		item = UUIDPGetDatum(id);

	placement_current()->delete_users(construct_array(&item, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	return tables;
}

void
user_delete_new(const pg_uuid_t *id)
{
	Datum		params[1] = {UUIDPGetDatum(id)};

	run_without_triggers(&delete_new_user, params);
}

void
user_delete_one(const pg_uuid_t *id)
{
	Datum		item = UUIDPGetDatum(id);

	users_delete(construct_array(&item, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
