/*-------------------------------------------------------------------------
 *
 * citus_statement.c
 *	  Statements that Citus sends to other nodes.
 *
 * Parameters.  Citus makes text of a statement, values included, and runs it on
 * other nodes as the role that runs it here: the extension's owner.  The text
 * depends on the session's parameters.  With citus.propagate_set_commands, Citus
 * first sends all SET commands of the session, and everything else that came in
 * one message with them: both parts of "SET LOCAL a = b; SELECT f()".  With another
 * search_path or standard_conforming_strings on the other node, a caller could run
 * any SQL there as the owner.  Therefore only superusers may SET a parameter then.
 * An earlier SET cannot be detected, so the library must have been loaded before
 * the session began.
 *
 * Transactions.  Outside of a transaction block, Citus begins a transaction on
 * other nodes only for a statement that runs within another one: in a function
 * that a query calls, in DO, or in CALL.  A function can also be called elsewhere,
 * for example in the parameters of EXECUTE or by a trigger of COPY.  Each of its
 * statements would then be committed by itself on the other node.  CALL does not
 * count here: while Citus runs a procedure on another node, the code that reads its
 * answer is not inside of it yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "citus/citus_statement.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "store/session_settings.h"
#include "tcop/utility.h"
#include "utils/guc.h"

#define SENDING_PARAMETER	"citus.propagate_set_commands"

static const SessionSetting sent_statements[] = {
	/* how Citus writes backslashes in values, and how the other node reads them */
	{"standard_conforming_strings", "on"},
	/* how Citus writes times */
	{"DateStyle", "ISO, MDY"},
	/* the zone of these times */
	{"TimeZone", "UTC"},
	/* makes the other nodes take part in the transaction of a function's caller */
	{"citus.function_opens_transaction_block", "on"}
};

/* Citus logs what it sends, secrets included.  A superuser may look at that. */
static const SessionSetting shown_statements[] = {
	{"citus.log_remote_commands", "off"},
	{"citus.log_local_commands", "off"}
};

/* Messages of Citus below WARNING can contain what it sends, too. */
static const SessionSetting shown_messages[] = {{"client_min_messages", "warning"}};

static bool guarding = false;	/* also the value of anon_auth.guards_nodes */

/* Commands that are running, one within the other. */
static int	query_depth = 0;
static int	block_depth = 0;	/* DO */
static int	alteration_depth = 0;	/* ALTER TABLE */

static ExecutorRun_hook_type previous_run = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

/* Run a query as ExecutorRun() does, counting that it is running. */
static void
run_counted(QueryDesc *query, ScanDirection direction, uint64 count EXECUTE_ONCE_PARAM)
{
	query_depth++;
	PG_TRY();
	{
		if (previous_run != NULL)
			previous_run(query, direction, count EXECUTE_ONCE_ARG);
		else
			standard_ExecutorRun(query, direction, count EXECUTE_ONCE_ARG);
	}
	PG_FINALLY();
	{
		query_depth--;
	}
	PG_END_TRY();
}

/*
 * Whether Citus would send a SET command.  It never sends SET
 * citus.propagate_set_commands itself.
 */
static bool
is_sent(const VariableSetStmt *statement)
{
	const char *sending = GetConfigOption(SENDING_PARAMETER, true, false);

	return sending != NULL && strcmp(sending, "none") != 0 &&
		(statement->name == NULL || pg_strcasecmp(statement->name, SENDING_PARAMETER) != 0);
}

static void
refuse_sent_parameter(Node *statement)
{
	if (IsA(statement, VariableSetStmt) && is_sent((VariableSetStmt *) statement) &&
		!superuser() && OidIsValid(get_extension_oid("anon_auth", true)) &&
		OidIsValid(get_extension_oid("citus", true)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("parameters cannot be sent to other nodes where anon_auth is installed"),
				 errdetail("Functions would run there under them, with the rights of their owners."),
				 errhint("SET %s = 'none'.", SENDING_PARAMETER)));
}

static void
watch_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *environment, DestReceiver *destination,
			  QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	bool		is_block = IsA(statement, DoStmt);
	bool		is_alteration = IsA(statement, AlterTableStmt);

	refuse_sent_parameter(statement);
	block_depth += is_block;
	alteration_depth += is_alteration;
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
		block_depth -= is_block;
		alteration_depth -= is_alteration;
	}
	PG_END_TRY();
}

/*
 * The parameter tells distribute() and doctor() whether a node is guarded.  Outside
 * of a transaction, the library is being preloaded: LOAD and the first call of a
 * function run in one.
 */
void
citus_statement_init(void)
{
	bool		watches = GetConfigOption(SENDING_PARAMETER, true, false) != NULL &&
		!IsTransactionState();

	DefineCustomBoolVariable("anon_auth.guards_nodes",
							 "Whether anon_auth was preloaded after Citus.",
							 "It must be where its tables are distributed.",
							 &guarding,
							 watches,
							 PGC_INTERNAL,
							 GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							 NULL, NULL, NULL);
	if (!watches)
		return;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = run_counted;
}

static void
refuse_unsafe_statement(void)
{
	if (!guarding)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("anon_auth must be preloaded where Citus distributes its tables"),
				 errhint("Set shared_preload_libraries = 'citus, anon_auth' on every node and restart.")));

	/* In ALTER TABLE, Citus would return no rows of its tables. */
	if (alteration_depth > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables that Citus distributes cannot be read in ALTER TABLE")));
}

static int
pin_parameters(int nest_level)
{
	nest_level = session_settings_pin(sent_statements, lengthof(sent_statements), nest_level);
	if (superuser_arg(GetSessionUserId()))
		return nest_level;
	if (client_min_messages < WARNING)
		nest_level = session_settings_pin(shown_messages, lengthof(shown_messages), nest_level);
	return session_settings_pin(shown_statements, lengthof(shown_statements), nest_level);
}

int
citus_statement_enter(int nest_level)
{
	refuse_unsafe_statement();
	return pin_parameters(nest_level);
}

void
citus_statement_require_safe_write(void)
{
	if (!IsTransactionBlock() && query_depth == 0 && block_depth == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables that Citus distributes cannot be changed here"),
				 errdetail("It could not be rolled back on other nodes."),
				 errhint("Call the function in a query, or in a transaction block.")));
}
