/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  Strict parsing of JSON objects that strangers sent.
 *
 * jsonb_in would keep the last of two equal names, and throw errors that quote
 * the input.  So the callbacks of PostgreSQL's JSON parser build the jsonb
 * here, in one pass, and see every member and every number on the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "json/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

typedef struct Builder
{
	const char *reason;			/* NULL so far */
	JsonbParseState *stack;
	JsonbValue *result;			/* what was finished last: at the end, all of it */
	int			depth;
	int			members_here[JSON_MAX_DEPTH];	/* of the object at each depth */
} Builder;

static void
push(Builder *builder, JsonbIteratorToken token, JsonbValue *value)
{
	builder->result = pushJsonbValue(&builder->stack, token, value);
}

static JsonActionResult
object_start(void *state)
{
	Builder    *builder = state;

	builder->members_here[builder->depth++] = 0;
	push(builder, WJB_BEGIN_OBJECT, NULL);
	JSON_ACTION_OK;
}

/* Of members with one name, an object that is finished has kept one. */
static JsonActionResult
object_end(void *state)
{
	Builder    *builder = state;

	push(builder, WJB_END_OBJECT, NULL);
	if (builder->result->val.object.nPairs != builder->members_here[--builder->depth])
		builder->reason = "a member name appears twice";
	JSON_ACTION_OK;
}

static JsonActionResult
array_start(void *state)
{
	Builder    *builder = state;

	builder->depth++;
	push(builder, WJB_BEGIN_ARRAY, NULL);
	JSON_ACTION_OK;
}

static JsonActionResult
array_end(void *state)
{
	Builder    *builder = state;

	builder->depth--;
	push(builder, WJB_END_ARRAY, NULL);
	JSON_ACTION_OK;
}

static void
set_string(JsonbValue *value, char *string)
{
	value->type = jbvString;
	value->val.string.val = string;
	value->val.string.len = strlen(string);
}

static JsonActionResult
field_start(void *state, char *name, bool isnull)
{
	Builder    *builder = state;
	JsonbValue	key;

	builder->members_here[builder->depth - 1]++;
	set_string(&key, name);
	push(builder, WJB_KEY, &key);
	JSON_ACTION_OK;
}

/* numeric_in would throw for what it cannot hold, or hold a megabyte. */
static bool
set_number(JsonbValue *value, const char *text)
{
	const char *exponent = strpbrk(text, "eE");

	if (strlen(text) > JSON_MAX_NUMBER ||
		(exponent != NULL && strlen(exponent + 1) > JSON_MAX_EXPONENT))
		return false;
	value->type = jbvNumeric;
	value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
															 ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));
	return true;
}

static JsonActionResult
scalar(void *state, char *token, JsonTokenType type)
{
	Builder    *builder = state;
	JsonbValue	value = {.type = jbvNull};

	if (type == JSON_TOKEN_STRING)
		set_string(&value, token);
	else if (type == JSON_TOKEN_NUMBER && !set_number(&value, token))
		builder->reason = "a number is longer than " CppAsString2(JSON_MAX_NUMBER) " characters";
	else if (type == JSON_TOKEN_TRUE || type == JSON_TOKEN_FALSE)
	{
		value.type = jbvBool;
		value.val.boolean = type == JSON_TOKEN_TRUE;
	}

	if (builder->stack != NULL)
		push(builder, builder->stack->contVal.type == jbvObject ? WJB_VALUE : WJB_ELEM, &value);
	JSON_ACTION_OK;
}

/* As in a text that is nested as deep as it has brackets. */
static bool
has_many_brackets(const char *data, size_t length)
{
	int			brackets = 0;
	size_t		i;

	for (i = 0; i < length; i++)
		brackets += (data[i] == '{') + (data[i] == '[');
	return brackets > JSON_MAX_DEPTH;
}

/* The parser recurses: bound the depth before it starts. */
static bool
nested_too_deep(const char *data, size_t length)
{
	int			depth = 0;
	bool		in_string = false;
	size_t		i;

	if (!has_many_brackets(data, length))
		return false;
	for (i = 0; i < length; i++)
	{
		char		c = data[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > JSON_MAX_DEPTH)
				return true;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return false;
}

Jsonb *
json_parse_object(const char *data, size_t length, const char **reason)
{
	int			offset;

	return json_parse_object_at(data, length, reason, &offset);
}

Jsonb *
json_parse_object_at(const char *data, size_t length, const char **reason, int *offset)
{
	Builder		builder = {.reason = NULL};
	JsonLexContext *lexer;
	JsonSemAction actions = {
		.semstate = &builder,
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = field_start,
		.scalar = scalar
	};

	*offset = 0;
	if (length > JSON_MAX_LENGTH)
	{
		*reason = "it is longer than " CppAsString2(JSON_MAX_LENGTH) " bytes";
		return NULL;
	}
	if (memchr(data, '\0', length) != NULL ||
		pg_verify_mbstr(PG_UTF8, data, (int) length, true) == false)
	{
		*reason = "it is not valid UTF-8";
		return NULL;
	}
	if (nested_too_deep(data, length))
	{
		*reason = "it is nested deeper than " CppAsString2(JSON_MAX_DEPTH) " levels";
		return NULL;
	}

	lexer = MakeJsonLexer(unconstify(char *, data), (int) length);
	if (pg_parse_json(lexer, &actions) != JSON_SUCCESS)
	{
		builder.reason = "it is not valid JSON";
		*offset = lexer->token_terminator == NULL ? 0 : (int) (lexer->token_terminator - data);
	}
	else if (builder.reason == NULL && (builder.result == NULL || builder.result->type != jbvObject))
		builder.reason = "it is not a JSON object";
	if (builder.reason != NULL)
	{
		*reason = builder.reason;
		return NULL;
	}
	return JsonbValueToJsonb(builder.result);
}
