/*-------------------------------------------------------------------------
 *
 * json_parse.c
 *	  Strict parsing of JSON objects that strangers sent.
 *
 * jsonb_in() keeps the last of two equal names and raises errors that quote the
 * input.  Instead, callbacks of PostgreSQL's JSON parser build the jsonb here in
 * one pass and look at every member and every number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/limits.h"
#include "jose/base64url.h"
#include "json/json_parse.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Headers that are kept parsed. */
#define HEADER_CACHE_SIZE	8

/*
 * Longest header, in base64url, that is kept.  A longer one contains a key or
 * certificates and is usually used once.
 */
#define CACHED_HEADER_MAX	256

typedef struct Builder
{
	const char *reason;			/* NULL: no mistake so far */
	JsonbParseState *stack;
	JsonbValue *result;			/* the value that ended last; at the end, the whole */
	int			depth;
	int			members_here[JSON_MAX_DEPTH];	/* members seen, at each depth */
} Builder;

static void
push_value(Builder *builder, JsonbIteratorToken token, JsonbValue *value)
{
	builder->result = pushJsonbValue(&builder->stack, token, value);
}

static JsonActionResult
object_start(void *state)
{
	Builder    *builder = state;

	builder->members_here[builder->depth++] = 0;
	push_value(builder, WJB_BEGIN_OBJECT, NULL);
	JSON_ACTION_OK;
}

/*
 * Of members with the same name, jsonb keeps one.  So if an object has fewer members
 * than were seen, a name appeared twice.
 */
static JsonActionResult
object_end(void *state)
{
	Builder    *builder = state;

	push_value(builder, WJB_END_OBJECT, NULL);
	if (builder->result->val.object.nPairs != builder->members_here[--builder->depth])
		builder->reason = "a member name appears twice";
	JSON_ACTION_OK;
}

static JsonActionResult
array_start(void *state)
{
	Builder    *builder = state;

	builder->depth++;
	push_value(builder, WJB_BEGIN_ARRAY, NULL);
	JSON_ACTION_OK;
}

static JsonActionResult
array_end(void *state)
{
	Builder    *builder = state;

	builder->depth--;
	push_value(builder, WJB_END_ARRAY, NULL);
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
	push_value(builder, WJB_KEY, &key);
	JSON_ACTION_OK;
}

/*
 * Set a number, or the reason why it is refused; the value is null then.  The limits
 * bound its length: numeric_in() raises an error for an exponent that it cannot hold,
 * and needs a megabyte for the largest that it can.
 */
static void
set_number(JsonbValue *value, const char *text, const char **reason)
{
	const char *exponent = strpbrk(text, "eE");

	if (strlen(text) > JSON_MAX_NUMBER)
	{
		*reason = "a number is longer than " CppAsString2(JSON_MAX_NUMBER) " characters";
		return;
	}
	if (exponent != NULL && strlen(exponent + 1) > JSON_MAX_EXPONENT)
	{
		*reason = "an exponent is longer than " CppAsString2(JSON_MAX_EXPONENT) " characters";
		return;
	}
	value->type = jbvNumeric;
	value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
															 ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));
}

static JsonActionResult
scalar_value(void *state, char *token, JsonTokenType type)
{
	Builder    *builder = state;
	JsonbValue	value = {.type = jbvNull};

	if (type == JSON_TOKEN_STRING)
		set_string(&value, token);
	else if (type == JSON_TOKEN_NUMBER)
		set_number(&value, token, &builder->reason);
	else if (type == JSON_TOKEN_TRUE || type == JSON_TOKEN_FALSE)
	{
		value.type = jbvBool;
		value.val.boolean = type == JSON_TOKEN_TRUE;
	}

	if (builder->stack != NULL)
		push_value(builder, builder->stack->contVal.type == jbvObject ? WJB_VALUE : WJB_ELEM, &value);
	JSON_ACTION_OK;
}

/*
 * A text without this many brackets cannot be nested too deep.  Nearly all texts
 * pass this test, which compilers turn into vector instructions.
 */
static bool
has_many_brackets(const char *data, size_t length)
{
	int			brackets = 0;
	size_t		i;

	for (i = 0; i < length; i++)
		brackets += (data[i] == '{') + (data[i] == '[');
	return brackets > JSON_MAX_DEPTH;
}

/* The parser is recursive, so the depth must be checked before it starts. */
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
		.scalar = scalar_value
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

Jsonb *
json_parse_encoded_object(const Span *part, const char **reason)
{
	size_t		length = BASE64URL_DECODED_MAX(part->length);
	char	   *decoded = palloc(length);
	JoseStatus	status = base64url_decode((uint8_t *) decoded, &length, part->data, part->length);
	Jsonb	   *object;

	if (status != JOSE_OK)
	{
		*reason = jose_status_message(status);
		return NULL;
	}
	object = json_parse_object(decoded, length, reason);
	pfree(decoded);
	return object;
}

/* Headers that were parsed last, in TopMemoryContext. */
static struct
{
	char	   *text;			/* in base64url; NULL: free */
	size_t		length;
	Jsonb	   *header;
}			header_cache[HEADER_CACHE_SIZE];
static int	next_victim = 0;

/* Copy a header into the cache, in the place of the one that was added first. */
static void
cache_header(const Span *part, const Jsonb *header)
{
	char	   *text;
	Jsonb	   *copy;
	int			i = next_victim;

	if (part->length > CACHED_HEADER_MAX)
		return;
	text = MemoryContextAlloc(TopMemoryContext, part->length);
	memcpy(text, part->data, part->length);
	copy = MemoryContextAlloc(TopMemoryContext, VARSIZE(header));
	memcpy(copy, header, VARSIZE(header));

	/* Nothing below raises an error, so an entry is never half replaced. */
	next_victim = (next_victim + 1) % HEADER_CACHE_SIZE;
	if (header_cache[i].text != NULL)
	{
		pfree(header_cache[i].text);
		pfree(header_cache[i].header);
	}
	header_cache[i].text = text;
	header_cache[i].length = part->length;
	header_cache[i].header = copy;
}

/* A palloc'd copy of a cached header, or NULL. */
static Jsonb *
find_cached_header(const Span *part)
{
	Jsonb	   *copy;
	int			i;

	for (i = 0; i < HEADER_CACHE_SIZE; i++)
		if (header_cache[i].text != NULL && header_cache[i].length == part->length &&
			memcmp(header_cache[i].text, part->data, part->length) == 0)
		{
			copy = palloc(VARSIZE(header_cache[i].header));
			memcpy(copy, header_cache[i].header, VARSIZE(header_cache[i].header));
			return copy;
		}
	return NULL;
}

Jsonb *
json_parse_header(const Span *part, const char **reason)
{
	Jsonb	   *header = find_cached_header(part);

	if (header == NULL && (header = json_parse_encoded_object(part, reason)) != NULL)
		cache_header(part, header);
	return header;
}
