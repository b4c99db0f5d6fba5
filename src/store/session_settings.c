/*-------------------------------------------------------------------------
 *
 * session_settings.c
 *	  Parameters of the session that affect the extension's statements.
 *
 * A caller can set most parameters, and the extension's statements then run under
 * them with the owner's rights.  Some of them show the text or the values of a
 * statement to the client, and one changes how statements are read.  These get a safe
 * value for as long as a statement runs.
 * They are compared first, because a nest level of parameters costs time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "parser/parser.h"
#include "store/placement.h"
#include "store/session_settings.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/plancache.h"

/* Any role may set these, and the server then sends trees with values to the client. */
static const SessionSetting shown_plans[] = {
	{"debug_print_parse", "off"},
	{"debug_print_rewritten", "off"},
	{"debug_print_plan", "off"}
};

/*
 * auto_explain shows plans, by default at level LOG.  A custom plan contains the values
 * of parameters as constants.  So the client neither gets to force custom plans nor
 * to see messages of that level.
 */
static const SessionSetting generic_plans[] = {{"plan_cache_mode", "auto"}};
static const SessionSetting no_log_messages[] = {{"client_min_messages", "notice"}};

/* Functions in SQL and PL/pgSQL are parsed when they run, and contain backslashes in strings. */
static const SessionSetting standard_strings[] = {{"standard_conforming_strings", "on"}};

int
session_settings_pin(const SessionSetting *parameters, int count, int nest_level)
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
session_settings_enter(void)
{
	int			nest_level = 0;

	if (Debug_print_parse || Debug_print_rewritten || Debug_print_plan)
		nest_level = session_settings_pin(shown_plans, lengthof(shown_plans), nest_level);
	if (plan_cache_mode != PLAN_CACHE_MODE_AUTO)
		nest_level = session_settings_pin(generic_plans, lengthof(generic_plans), nest_level);
	if (client_min_messages < NOTICE)
		nest_level = session_settings_pin(no_log_messages, lengthof(no_log_messages), nest_level);
	if (!standard_conforming_strings)
		nest_level = session_settings_pin(standard_strings, lengthof(standard_strings), nest_level);
	return placement_current()->enter_statement(nest_level);
}

void
session_settings_leave(int nest_level)
{
	if (nest_level > 0)
		AtEOXact_GUC(false, nest_level);
}

/* PostgreSQL 15 exports only the list of all parameters. */
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

/*
 * A SET clause of a function saves the former value in an entry GUC_SAVE of the stack.
 * The oldest entry has the value from before the outermost function.
 */
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
