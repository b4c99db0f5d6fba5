/*-------------------------------------------------------------------------
 *
 * json_setting.c
 *	  JSON objects in configuration parameters.
 *
 * The headers of a request are read by the pre-request function, the endpoint and the search
 * for the client's address.  So they are parsed once in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "json/json_parse.h"
#include "json/json_setting.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define KEPT_SETTINGS	2		/* headers and cookies */

/* A value that was parsed in this transaction, with the object that it is. */
typedef struct KeptSetting
{
	const char *name;			/* NULL: none */
	char	   *text;
	Jsonb	   *object;
} KeptSetting;

static KeptSetting kept[KEPT_SETTINGS];

/* A MemoryContextCallbackFunction */
static void
forget_kept(void *arg)
{
	memset(kept, 0, sizeof(kept));
}

/* Return the object that this value was parsed to, or NULL. */
static Jsonb *
find_kept(const char *name, const char *text)
{
	int			i;

	for (i = 0; i < KEPT_SETTINGS; i++)
		if (kept[i].name != NULL && strcmp(kept[i].name, name) == 0 &&
			strcmp(kept[i].text, text) == 0)
			return kept[i].object;
	return NULL;
}

/* Return the place for a parameter: its own, a free one, or the last one. */
static KeptSetting *
place_for(const char *name)
{
	int			i;

	for (i = 0; i < KEPT_SETTINGS - 1; i++)
		if (kept[i].name == NULL || strcmp(kept[i].name, name) == 0)
			break;
	return &kept[i];
}

/* Keep a copy until the end of the transaction, and return that of the object. */
static Jsonb *
keep_object(const char *name, const char *text, const Jsonb *object)
{
	MemoryContext former = MemoryContextSwitchTo(TopTransactionContext);
	KeptSetting setting = {name, pstrdup(text), palloc(VARSIZE(object))};

	memcpy(setting.object, object, VARSIZE(object));
	if (kept[0].name == NULL)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = forget_kept;
		MemoryContextRegisterResetCallback(TopTransactionContext, callback);
	}
	MemoryContextSwitchTo(former);
	*place_for(name) = setting;
	return setting.object;
}

/* The statement is not logged: it can contain the headers of a request. */
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

static void
require_strings(const char *name, Jsonb *object, int sqlstate)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_VALUE && value.type != jbvString && value.type != jbvNull)
			raise_unreadable(name, sqlstate, "a member is not a string");
}

Jsonb *
json_setting_of_strings(const char *name, int sqlstate)
{
	const char *text = GetConfigOption(name, true, false);
	Jsonb	   *object;

	if (text == NULL || text[0] == '\0')
		return NULL;
	object = find_kept(name, text);
	if (object != NULL)
		return object;
	object = json_setting(name, sqlstate);
	require_strings(name, object, sqlstate);
	return keep_object(name, text, object);
}
