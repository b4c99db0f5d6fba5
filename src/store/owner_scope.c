/*-------------------------------------------------------------------------
 *
 * owner_scope.c
 *	  Running as the owner of the extension's tables for a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "store/owner_scope.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * Return the role that owns the extension's tables.  Raises an error while the
 * extension is being created.
 */
static Oid
find_owner(void)
{
	Oid			namespace_id = get_namespace_oid("anon_auth", false);
	Oid			relation_id = get_relname_relid("settings", namespace_id);
	Relation	relation;
	Oid			owner;

	if (!OidIsValid(relation_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table anon_auth.settings does not exist")));
	relation = table_open(relation_id, AccessShareLock);
	owner = relation->rd_rel->relowner;
	table_close(relation, AccessShareLock);
	return owner;
}

void
owner_scope_enter(OwnerScope *scope)
{
	GetUserIdAndSecContext(&scope->user_id, &scope->sec_context);
	SetUserIdAndSecContext(find_owner(),
						   scope->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	scope->guc_nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", SAFE_SEARCH_PATH,
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

void
owner_scope_leave(OwnerScope *scope)
{
	AtEOXact_GUC(false, scope->guc_nest_level);
	SetUserIdAndSecContext(scope->user_id, scope->sec_context);
}
