/*-------------------------------------------------------------------------
 *
 * distributed_transaction.c
 *	  That a call is one transaction on all nodes.
 *
 * Outside of a transaction block Citus begins a transaction on other nodes for a
 * statement that it finds below another one: in a function that a query calls, in
 * DO or CALL.  A function can be called without all that, in the parameters
 * of EXECUTE, say, or by a trigger of COPY; each of its statements would be committed
 * for itself there.  (CALL does not count here: what reads the answer of a procedure
 * that Citus runs elsewhere is not in it yet.)  And within ALTER TABLE Citus answers
 * queries with no rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "executor/executor.h"
#include "store/distributed_transaction.h"
#include "tcop/utility.h"

static int	queries = 0;		/* that are running, one within the other */
static int	blocks = 0;			/* DO */
static int	alterations = 0;	/* ALTER TABLE */

static ExecutorRun_hook_type previous_run = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

static void
count_query(QueryDesc *query, ScanDirection direction, uint64 count EXECUTE_ONCE_PARAM)
{
	queries++;
	PG_TRY();
	{
		if (previous_run != NULL)
			previous_run(query, direction, count EXECUTE_ONCE_ARG);
		else
			standard_ExecutorRun(query, direction, count EXECUTE_ONCE_ARG);
	}
	PG_FINALLY();
	{
		queries--;
	}
	PG_END_TRY();
}

static void
count_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *environment, DestReceiver *destination,
			  QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	bool		is_block = IsA(statement, DoStmt);
	bool		is_alteration = IsA(statement, AlterTableStmt);

	blocks += is_block;
	alterations += is_alteration;
	PG_TRY();
	{
		if (previous_utility != NULL)
			previous_utility(planned, query, read_only_tree, context, params, environment,
							 destination, completion);
		else
			standard_ProcessUtility(planned, query, read_only_tree, context, params, environment,
									destination, completion);
	}
	PG_FINALLY();
	{
		blocks -= is_block;
		alterations -= is_alteration;
	}
	PG_END_TRY();
}

void
distributed_transaction_init(void)
{
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = count_query;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = count_utility;
}

void
distributed_transaction_require(bool writes)
{
	if (alterations > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables that Citus distributes cannot be read in ALTER TABLE")));
	if (writes && !IsTransactionBlock() && queries == 0 && blocks == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables that Citus distributes cannot be changed here"),
				 errdetail("It could not be rolled back on other nodes."),
				 errhint("Call the function in a query, or in a transaction block.")));
}
