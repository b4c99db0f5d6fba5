/*-------------------------------------------------------------------------
 *
 * app_statement.c
 *	  Running statements on the application's tables, and on no others.
 *
 * A statement names its tables and runs as the owner that was found with them.  A
 * trigger of one table, or another session, can replace a table by an object of the
 * same name if its schema belongs to them.  The functions of a view, for example,
 * would then get the rights of the former table's owner.  Therefore a hook compares the
 * relations of the statement with the expected ones after parse analysis, which has
 * locked them, and before execution.  The statement is not analyzed again, because SPI
 * plans it for one execution.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "store/app_statement.h"
#include "store/owner_scope.h"
#include "store/placement.h"
#include "store/session_settings.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* A statement that is running, and the tables that it may name. */
typedef struct Binding
{
	const char *sql;
	const AppTable *tables;
	int			count;
	struct Binding *outer;
} Binding;

/* The innermost one: a trigger may lead to another deletion. */
static Binding *binding = NULL;
static post_parse_analyze_hook_type previous_hook = NULL;

/* Raise an error unless the relation is one of the tables, with the same owner. */
static void
check_relation(Oid id)
{
	int			i;

	for (i = 0; i < binding->count; i++)
	{
		Relation	relation;
		bool		same_owner;

		if (binding->tables[i].id != id)
			continue;
		relation = table_open(id, NoLock);
		same_owner = relation->rd_rel->relowner == binding->tables[i].owner;
		table_close(relation, NoLock);
		if (same_owner)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a table that references users was replaced meanwhile"),
			 errdetail("It was one of %s.", app_tables_names(binding->tables, binding->count))));
}

static bool
check_relations_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
			check_relation(((RangeTblEntry *) node)->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_relations_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, check_relations_walker, context);
}

/* The hook sees the statements of triggers, too, and tells them by their text. */
static void
check_analyzed(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (previous_hook != NULL)
		previous_hook(pstate, query, jstate);
	if (binding != NULL && pstate->p_sourcetext != NULL &&
		strcmp(pstate->p_sourcetext, binding->sql) == 0)
		(void) check_relations_walker((Node *) query, NULL);
}

void
app_statement_init(void)
{
	previous_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = check_analyzed;
}

/* A generic plan, as statement.c has it: values of the parameters stay out of logs. */
static int
plan_and_execute(const char *sql, int nparams, Oid *types, Datum *params, const char *nulls,
				 bool read_only)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nparams, types,
										  placement_current()->cursor_options);
	int			code;

	if (plan == NULL)
		return SPI_result;
	code = SPI_execute_plan(plan, params, nulls, read_only, 0);
	SPI_freeplan(plan);
	return code;
}

int
app_statement_run(const AppTable *tables, int count, const char *sql, int nparams, Oid *types,
				  Datum *params, const char *nulls, bool read_only)
{
	Binding		inner = {.sql = sql,.tables = tables,.count = count,.outer = binding};
	int			nest_level = session_settings_enter();
	int			code;

	if (!read_only)
		placement_current()->require_safe_write();
	binding = &inner;
	PG_TRY();
	{
		code = plan_and_execute(sql, nparams, types, params, nulls, read_only);
	}
	PG_FINALLY();
	{
		binding = inner.outer;
	}
	PG_END_TRY();
	session_settings_leave(nest_level);
	return code;
}

/*
 * SECURITY_RESTRICTED_OPERATION keeps triggers from leaving anything behind that the
 * caller would use later: a role, a prepared statement, a deferred trigger.
 * SECURITY_NOFORCE_RLS is needed because a row that a policy of the owner hides would
 * be lost with the guest.
 */
void
app_statement_enter_owner(OwnerScope *scope, Oid owner)
{
	GetUserIdAndSecContext(&scope->user_id, &scope->sec_context);
	SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	scope->guc_nest_level = NewGUCNestLevel();
}

void
app_statement_leave_owner(OwnerScope *scope)
{
	owner_scope_leave(scope);
}

/*
 * Deferred triggers run as they would at COMMIT: as the session's role, with the
 * search_path that the session has outside of functions.  Afterwards the role and the
 * parameters are restored, whatever a trigger has set.
 */
void
app_statement_run_deferred(void)
{
	OwnerScope scope;
	char	   *search_path = session_settings_outside("search_path");
	int			code;

	GetUserIdAndSecContext(&scope.user_id, &scope.sec_context);
	SetUserIdAndSecContext(GetOuterUserId(),
						   scope.sec_context | SECURITY_LOCAL_USERID_CHANGE);
	scope.guc_nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	code = SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
	if (code != SPI_OK_UTILITY)
		elog(ERROR, "could not check the constraints: %s", SPI_result_code_string(code));
	SPI_finish();
	owner_scope_leave(&scope);
}
