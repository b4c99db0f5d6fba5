/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Members of JSON objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "json/json.h"
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
