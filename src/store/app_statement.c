/*-------------------------------------------------------------------------
 *
 * app_statement.c
 *	  Running statements on the application's tables, and on no others.
 *
 * A statement names its tables, and runs as the owner that was found with them.
 * Triggers of one table, or somebody else at the same time, can put another
 * object in the place of a name, if the schema is theirs: a view, say, whose
 * functions would get the rights of the former table's owner.  So after parse
 * analysis, which locks what it finds, and before anything is run, what was found
 * is compared.  Such a statement is not analysed a second time: SPI plans it for
 * once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "store/app_tables_private.h"
#include "store/placement.h"
#include "store/session_settings.h"
#include "store/statement.h"
#include "utils/rel.h"

typedef struct Binding
{
	const char *sql;
	const AppTable *tables;
	int			count;
	struct Binding *outer;
} Binding;

/* Of the statements that are running: triggers may run others in between. */
static Binding *binding = NULL;
static post_parse_analyze_hook_type previous_hook = NULL;

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
			 errdetail("It was one of %s.", app_table_names(binding->tables, binding->count))));
}

static bool
check_walker(Node *node, void *context)
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
		return query_tree_walker((Query *) node, check_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, check_walker, context);
}

/* Statements of triggers pass here, too: ours are known by their text. */
static void
check_analyzed(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (previous_hook != NULL)
		previous_hook(pstate, query, jstate);
	if (binding != NULL && pstate->p_sourcetext != NULL &&
		strcmp(pstate->p_sourcetext, binding->sql) == 0)
		(void) check_walker((Node *) query, NULL);
}

void
app_statements_init(void)
{
	previous_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = check_analyzed;
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
		code = store_execute_once(sql, nparams, types, params, nulls, read_only);
	}
	PG_FINALLY();
	{
		binding = inner.outer;
	}
	PG_END_TRY();
	session_settings_leave(nest_level);
	return code;
}
