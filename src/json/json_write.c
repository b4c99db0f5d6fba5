/*-------------------------------------------------------------------------
 *
 * json_write.c
 *	  Building JSON text member by member.
 *
 * Tokens are signed as text, so they are built as text.  Building a jsonb first
 * would sort its members and take time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "json/json_write.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

void
json_open(StringInfo json)
{
	if (json->len > 0 && json->data[json->len - 1] == '}')
		appendStringInfoChar(json, ',');
	appendStringInfoChar(json, '{');
}

void
json_close(StringInfo json)
{
	appendStringInfoChar(json, '}');
}

void
json_open_array(StringInfo json)
{
	appendStringInfoChar(json, '[');
}

void
json_close_array(StringInfo json)
{
	appendStringInfoChar(json, ']');
}

void
json_add_name(StringInfo json, const char *name)
{
	if (json->len > 0 && json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	appendStringInfoChar(json, '"');
	appendStringInfoString(json, name);
	appendStringInfoString(json, "\":");
}

/*
 * escape_json() reads its argument.  A caller that passes NULL by mistake loses its request,
 * and not the server.
 */
void
json_append_string(StringInfo json, const char *value)
{
	if (value == NULL)
		elog(ERROR, "a string in JSON is missing");
	escape_json(json, value);
}

void
json_add_string(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		elog(ERROR, "the string \"%s\" in JSON is missing", name);
	json_add_name(json, name);
	escape_json(json, value);
}

void
json_add_integer(StringInfo json, const char *name, int64 value)
{
	char		digits[MAXINT8LEN + 1];

	json_add_name(json, name);
	appendBinaryStringInfo(json, digits, pg_lltoa(value, digits));
}

/* An array of strings. */
void
json_add_strings(StringInfo json, const char *name, const StringList *values)
{
	int			i;

	json_add_name(json, name);
	appendStringInfoChar(json, '[');
	for (i = 0; i < values->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(json, ',');
		json_append_string(json, values->items[i]);
	}
	appendStringInfoChar(json, ']');
}

void
json_add_boolean(StringInfo json, const char *name, bool value)
{
	json_add_name(json, name);
	appendStringInfoString(json, value ? "true" : "false");
}

void
json_add_uuid(StringInfo json, const char *name, const pg_uuid_t *value)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_to_text(value, text);
	json_add_name(json, name);
	appendStringInfoChar(json, '"');
	appendBinaryStringInfo(json, text, UUID_TEXT_LENGTH);
	appendStringInfoChar(json, '"');
}

void
json_add_raw(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		elog(ERROR, "the member \"%s\" in JSON is missing", name);
	json_add_name(json, name);
	appendStringInfoString(json, value);
}

Jsonb *
json_to_jsonb(const char *json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

char *
json_from_jsonb(Jsonb *jsonb)
{
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Return the least number of bytes that a key or scalar takes. */
static size_t
scalar_length(const JsonbValue *value)
{
	if (value->type == jbvString)
		return value->val.string.len;
	if (value->type == jbvNumeric)
		return strlen(DatumGetCString(DirectFunctionCall1(numeric_out,
														  NumericGetDatum(value->val.numeric))));
	return 1;
}

bool
json_text_is_longer(Jsonb *jsonb, size_t length)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	size_t		least = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE && least <= length)
		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			least += scalar_length(&value);
	return least > length || strlen(json_from_jsonb(jsonb)) > length;
}
