/*-------------------------------------------------------------------------
 *
 * json_read.c
 *	  Reading members of JSON objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/uuid.h"
#include "json/json_read.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

JsonbValue *
json_member(const Jsonb *object, const char *name)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &object->root, name,
										(int) strlen(name), NULL);
}

bool
json_string(const Jsonb *object, const char *name, Span *value)
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
	Span		span;

	return json_string(object, name, &span) ? pnstrdup(span.data, span.length) : NULL;
}

bool
json_uuid(const Jsonb *object, const char *name, pg_uuid_t *value)
{
	Span		text;

	return json_string(object, name, &text) && uuid_from_text(text.data, text.length, value);
}

bool
json_string_equals(const Jsonb *object, const char *name, const char *value)
{
	Span		span;

	return json_string(object, name, &span) && span_equals(span, value);
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
	/* The comparison is false for NaN, too. */
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
