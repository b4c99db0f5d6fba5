/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Strict parsing of JSON objects, and access to their members.
 *
 * The text is walked once by PostgreSQL's JSON parser, whose callbacks see
 * every member name and every number, and only then handed to jsonb_in, which
 * would throw an error that quotes the input.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "json/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define MAX_DEPTH		32
#define MAX_MEMBERS		1000
#define MAX_NUMBER		40		/* characters of a number */

typedef struct StrictState
{
	const char *reason;			/* NULL so far */
	int			depth;
	int			nmembers;
	struct
	{
		int			depth;
		char	   *name;
	}			members[MAX_MEMBERS];
} StrictState;

static JsonActionResult
object_start(void *state)
{
	((StrictState *) state)->depth++;
	JSON_ACTION_OK;
}

static JsonActionResult
object_end(void *arg)
{
	StrictState *state = arg;

	while (state->nmembers > 0 && state->members[state->nmembers - 1].depth == state->depth)
		state->nmembers--;
	state->depth--;
	JSON_ACTION_OK;
}

static JsonActionResult
field_start(void *arg, char *name, bool isnull)
{
	StrictState *state = arg;
	int			i;

	for (i = state->nmembers - 1; i >= 0 && state->members[i].depth == state->depth; i--)
	{
		if (strcmp(state->members[i].name, name) == 0)
		{
			state->reason = "a member name appears twice";
			break;
		}
	}
	if (state->nmembers == MAX_MEMBERS)
		state->reason = "it has too many members";
	else
	{
		state->members[state->nmembers].depth = state->depth;
		state->members[state->nmembers].name = name;
		state->nmembers++;
	}
	JSON_ACTION_OK;
}

static JsonActionResult
scalar(void *arg, char *token, JsonTokenType type)
{
	StrictState *state = arg;
	const char *exponent;

	/* numeric_in would throw for what it cannot hold, or hold a megabyte. */
	if (type == JSON_TOKEN_NUMBER)
	{
		exponent = strpbrk(token, "eE");
		if (strlen(token) > MAX_NUMBER || (exponent != NULL && strlen(exponent) > 4))
			state->reason = "a number is too large";
	}
	JSON_ACTION_OK;
}

/* The parser recurses: bound the depth before it starts. */
static bool
nested_too_deep(const char *data, size_t length)
{
	int			depth = 0;
	bool		in_string = false;
	size_t		i;

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
			if (++depth > MAX_DEPTH)
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
	StrictState *state;
	JsonLexContext *lexer;
	JsonSemAction actions = {0};
	Jsonb	   *object;
	char	   *copy;

	*offset = 0;
	if (memchr(data, '\0', length) != NULL ||
		pg_verify_mbstr(PG_UTF8, data, (int) length, true) == false)
	{
		*reason = "it is not valid UTF-8";
		return NULL;
	}
	if (nested_too_deep(data, length))
	{
		*reason = "it is nested too deep";
		return NULL;
	}

	state = palloc0(sizeof(StrictState));
	actions.semstate = state;
	actions.object_start = object_start;
	actions.object_end = object_end;
	actions.object_field_start = field_start;
	actions.scalar = scalar;
	copy = pnstrdup(data, length);
	lexer = MakeJsonLexer(copy, (int) length);
	if (pg_parse_json(lexer, &actions) != JSON_SUCCESS)
	{
		state->reason = "it is not valid JSON";
		*offset = lexer->token_terminator == NULL ? 0 : (int) (lexer->token_terminator - copy);
	}
	if (state->reason != NULL)
	{
		*reason = state->reason;
		return NULL;
	}

	object = json_to_jsonb(copy);
	if (!JB_ROOT_IS_OBJECT(object))
	{
		*reason = "it is not a JSON object";
		return NULL;
	}
	return object;
}

JsonbValue *
json_member(const Jsonb *object, const char *name)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &object->root, name,
										(int) strlen(name), NULL);
}

bool
json_string(const Jsonb *object, const char *name, JoseSpan *value)
{
	JsonbValue *member = json_member(object, name);

	if (member == NULL || member->type != jbvString)
		return false;
	value->data = member->val.string.val;
	value->length = member->val.string.len;
	return true;
}

char *
json_cstring(const Jsonb *object, const char *name)
{
	JoseSpan	span;

	return json_string(object, name, &span) ? pnstrdup(span.data, span.length) : NULL;
}

bool
json_string_equals(const Jsonb *object, const char *name, const char *value)
{
	JoseSpan	span;

	return json_string(object, name, &span) && span.length == strlen(value) &&
		memcmp(span.data, value, span.length) == 0;
}

bool
json_boolean(const Jsonb *object, const char *name)
{
	JsonbValue *member = json_member(object, name);

	return member != NULL && member->type == jbvBool && member->val.boolean;
}

bool
json_numeric_date(const Jsonb *object, const char *name, int64 *seconds)
{
	JsonbValue *member = json_member(object, name);
	double		value;

	if (member == NULL || member->type != jbvNumeric)
		return false;
	value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(member->val.numeric)));
	if (!(value >= 0 && value < 1e12))
		return false;
	*seconds = (int64) floor(value);
	return true;
}

bool
json_string_or_array_contains(const JsonbValue *value, const char *string)
{
	JsonbValue	needle;

	if (value == NULL)
		return false;
	if (value->type == jbvString)
		return value->val.string.len == (int) strlen(string) &&
			memcmp(value->val.string.val, string, value->val.string.len) == 0;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return false;
	needle.type = jbvString;
	needle.val.string.val = (char *) string;
	needle.val.string.len = (int) strlen(string);
	return findJsonbValueFromContainer(value->val.binary.data, JB_FARRAY, &needle) != NULL;
}

Jsonb *
json_container(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return JsonbValueToJsonb((JsonbValue *) value);
}

const char *
json_jwk(const Jsonb *object, JoseJwk *jwk)
{
	const struct
	{
		const char *name;
		JoseSpan   *span;
	}			members[] = {
		{"kty", &jwk->kty}, {"crv", &jwk->crv}, {"x", &jwk->x}, {"y", &jwk->y},
		{"n", &jwk->n}, {"e", &jwk->e}, {"d", &jwk->d}, {"p", &jwk->p},
		{"q", &jwk->q}, {"dp", &jwk->dp}, {"dq", &jwk->dq}, {"qi", &jwk->qi},
		{"k", &jwk->k}
	};
	int			i;

	memset(jwk, 0, sizeof(JoseJwk));
	if (!JB_ROOT_IS_OBJECT(object))
		return "a JWK must be a JSON object";
	for (i = 0; i < lengthof(members); i++)
	{
		if (json_member(object, members[i].name) == NULL)
			continue;
		if (!json_string(object, members[i].name, members[i].span))
			return psprintf("member \"%s\" of the JWK must be a string", members[i].name);
	}
	if (jwk->kty.data == NULL)
		return "the JWK has no \"kty\"";
	return NULL;
}
