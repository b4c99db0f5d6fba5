/*-------------------------------------------------------------------------
 *
 * json_setting.c
 *	  JSON objects in configuration parameters: how PostgREST passes requests.
 *
 * A parameter that cannot be read is an error.  Treated as absent, it would
 * take the limits and checks with it that depend on its content.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "json/json.h"
#include "utils/guc.h"

pg_noreturn static void
raise_unreadable(const char *name, int sqlstate, const char *reason)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s cannot be read", name),
			 errdetail_internal("The value of this parameter is refused: %s.", reason),
			 errhidestmt(true)));
}

Jsonb *
json_setting(const char *name, int sqlstate)
{
	const char *text = GetConfigOption(name, true, false);
	const char *reason;
	Jsonb	   *object;

	if (text == NULL || text[0] == '\0')
		return NULL;
	object = json_parse_object(text, strlen(text), &reason);
	if (object == NULL)
		raise_unreadable(name, sqlstate, reason);
	return object;
}

Jsonb *
json_setting_of_strings(const char *name, int sqlstate)
{
	Jsonb	   *object = json_setting(name, sqlstate);
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (object == NULL)
		return NULL;
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_VALUE && value.type != jbvString && value.type != jbvNull)
			raise_unreadable(name, sqlstate, "a member is not a string");
	return object;
}
