/*-------------------------------------------------------------------------
 *
 * session_settings.c
 *	  What the parameters of a session could do to statements of ours.
 *
 * Citus makes text of a statement, values included, and runs it on other nodes
 * as whoever runs it here: the extension's owner.  What it writes depends on the
 * session's parameters; and with citus.propagate_set_commands it first sends
 * what the session has SET, indeed everything that came in one message with that.  With
 * another search_path or standard_conforming_strings there, whoever may call us
 * could run what he likes as the owner.  So nobody but a superuser may SET
 * anything then; and as that cannot be told afterwards, the library must have been
 * there from the beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "store/distributed_transaction.h"
#include "store/distribution.h"
#include "store/session_settings.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/plancache.h"

#define SENDING_PARAMETER	"citus.propagate_set_commands"

typedef struct PinnedParameter
{
	const char *name;
	const char *value;
} PinnedParameter;

/* With these, which anybody may set, the planner shows the values of ours to the client. */
static const PinnedParameter shown_plans[] = {
	{"debug_print_parse", "off"},
	{"debug_print_rewritten", "off"},
	{"debug_print_plan", "off"}
};

/*
 * auto_explain shows plans at the level LOG, or whatever its administrator has
 * chosen.  Custom plans have the values in them as constants.
 */
static const PinnedParameter generic_plans[] = {{"plan_cache_mode", "auto"}};
static const PinnedParameter no_log_messages[] = {{"client_min_messages", "notice"}};

/* How values are written, and that it is one transaction on all nodes. */
static const PinnedParameter sent_statements[] = {
	{"standard_conforming_strings", "on"},
	{"DateStyle", "ISO, MDY"},
	{"TimeZone", "UTC"},
	{"citus.function_opens_transaction_block", "on"}
};

/* A superuser may look at what is sent. */
static const PinnedParameter shown_statements[] = {
	{"citus.log_remote_commands", "off"},
	{"citus.log_local_commands", "off"}
};
static const PinnedParameter shown_messages[] = {{"client_min_messages", "warning"}};

static bool guarding = false;
static ProcessUtility_hook_type previous_hook = NULL;

static bool
is_sent(const VariableSetStmt *statement)
{
	const char *sending = GetConfigOption(SENDING_PARAMETER, true, false);

	return sending != NULL && strcmp(sending, "none") != 0 &&
		(statement->name == NULL || pg_strcasecmp(statement->name, SENDING_PARAMETER) != 0);
}

static void
refuse_sent_parameters(PlannedStmt *planned, const char *query, bool read_only_tree,
					   ProcessUtilityContext context, ParamListInfo params,
					   QueryEnvironment *environment, DestReceiver *destination,
					   QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;

	if (IsA(statement, VariableSetStmt) && is_sent((VariableSetStmt *) statement) &&
		!superuser() && OidIsValid(get_extension_oid("anon_auth", true)) &&
		OidIsValid(get_extension_oid("citus", true)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("parameters cannot be sent to other nodes where anon_auth is installed"),
				 errdetail("Functions would run there under them, with the rights of their owners."),
				 errhint("SET %s = 'none'.", SENDING_PARAMETER)));
	if (previous_hook != NULL)
		previous_hook(planned, query, read_only_tree, context, params, environment, destination,
					  completion);
	else
		standard_ProcessUtility(planned, query, read_only_tree, context, params, environment,
								destination, completion);
}

bool
session_settings_init(void)
{
	guarding = GetConfigOption(SENDING_PARAMETER, true, false) != NULL && !IsTransactionState();
	if (guarding)
	{
		previous_hook = ProcessUtility_hook;
		ProcessUtility_hook = refuse_sent_parameters;
		distributed_transaction_init();
	}
	return guarding;
}

static void
require_guard(void)
{
	if (!guarding)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("anon_auth must be preloaded where Citus distributes its tables"),
				 errhint("Set shared_preload_libraries = 'citus, anon_auth' on every node and restart.")));
}

/* Returns the nest level, which is 0 as long as nothing had to be changed. */
static int
pin(const PinnedParameter *parameters, int count, int nest_level)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		const char *value = GetConfigOption(parameters[i].name, true, false);

		if (value == NULL || strcmp(value, parameters[i].value) == 0)
			continue;
		if (nest_level == 0)
			nest_level = NewGUCNestLevel();
		(void) set_config_option(parameters[i].name, parameters[i].value, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	return nest_level;
}

int
session_settings_enter(bool writes)
{
	int			nest_level = 0;

	if (Debug_print_parse || Debug_print_rewritten || Debug_print_plan)
		nest_level = pin(shown_plans, lengthof(shown_plans), nest_level);
	if (plan_cache_mode != PLAN_CACHE_MODE_AUTO)
		nest_level = pin(generic_plans, lengthof(generic_plans), nest_level);
	if (client_min_messages < NOTICE)
		nest_level = pin(no_log_messages, lengthof(no_log_messages), nest_level);
	if (!store_is_distributed())
		return nest_level;
	require_guard();
	distributed_transaction_require(writes);
	nest_level = pin(sent_statements, lengthof(sent_statements), nest_level);
	if (superuser_arg(GetSessionUserId()))
		return nest_level;
	if (client_min_messages < WARNING)
		nest_level = pin(shown_messages, lengthof(shown_messages), nest_level);
	return pin(shown_statements, lengthof(shown_statements), nest_level);
}

void
session_settings_leave(int nest_level)
{
	if (nest_level > 0)
		AtEOXact_GUC(false, nest_level);
}

/* Until 15 the list is all that a library can see. */
static struct config_generic *
find_parameter(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, true, ERROR);
#else
	struct config_generic **parameters = get_guc_variables();
	int			i;

	for (i = 0; i < GetNumConfigOptions(); i++)
		if (strcmp(parameters[i]->name, name) == 0)
			return parameters[i];
	return NULL;
#endif
}

/* A SET clause saves the value from before under GUC_SAVE; the oldest one counts. */
char *
session_settings_outside(const char *name)
{
	struct config_generic *parameter = find_parameter(name);
	GucStack   *entry;
	GucStack   *oldest = NULL;

	if (parameter == NULL || parameter->vartype != PGC_STRING)
		elog(ERROR, "there is no string parameter \"%s\"", name);
	for (entry = parameter->stack; entry != NULL; entry = entry->prev)
		if (entry->state == GUC_SAVE)
			oldest = entry;
	return pstrdup(oldest != NULL ? oldest->prior.val.stringval :
				   GetConfigOption(name, false, false));
}
