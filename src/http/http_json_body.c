/*-------------------------------------------------------------------------
 *
 * http_json_body.c
 *	  JSON bodies, and the list of everything that is wrong with one
 *	  (docs/authgear.md, 1.1 and 2.5).
 *
 * Like Authgear, an endpoint reports all faults of a body in one response: a list
 * of causes in the form that JSON Schema validators use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"

typedef struct Causes
{
	StringInfoData json;
	int			count;
} Causes;

/*
 * Add a cause.  Its location is a JSON pointer (RFC 6901) to the member of this
 * name, or to the whole body if name is NULL.  details is JSON or NULL.
 */
static void
add_cause(Causes *causes, const char *name, int length, const char *kind, const char *details)
{
	StringInfoData pointer;
	int			i;

	initStringInfo(&pointer);
	for (i = 0; name != NULL && i < length; i++)
	{
		if (i == 0)
			appendStringInfoChar(&pointer, '/');
		if (name[i] == '~' || name[i] == '/')
			appendStringInfoString(&pointer, name[i] == '~' ? "~0" : "~1");
		else
			appendStringInfoChar(&pointer, name[i]);
	}
	if (causes->count++ > 0)
		appendStringInfoChar(&causes->json, ',');
	json_open(&causes->json);
	json_add_string(&causes->json, "location", pointer.data);
	json_add_string(&causes->json, "kind", kind);
	if (details != NULL)
		json_add_raw(&causes->json, "details", details);
	json_close(&causes->json);
}

/* Append a string to a JSON array that has been opened with "[". */
static void
append_name(StringInfo list, const char *name)
{
	appendStringInfoChar(list, list->len == 1 ? ' ' : ',');
	json_append_string(list, name);
}

/* Report the required members that are missing, with those that are there. */
static void
check_required(Causes *causes, const Jsonb *body, const HttpMember *members, int count)
{
	StringInfoData actual;
	StringInfoData expected;
	StringInfoData missing;
	bool		found_missing = false;
	int			i;

	initStringInfo(&actual);
	initStringInfo(&expected);
	initStringInfo(&missing);
	appendStringInfoChar(&actual, '[');
	appendStringInfoChar(&expected, '[');
	appendStringInfoChar(&missing, '[');
	for (i = 0; i < count; i++)
	{
		bool		present = json_member(body, members[i].name) != NULL;

		if (present)
			append_name(&actual, members[i].name);
		if (members[i].required)
			append_name(&expected, members[i].name);
		if (members[i].required && !present)
		{
			append_name(&missing, members[i].name);
			found_missing = true;
		}
	}
	if (found_missing)
		add_cause(causes, NULL, 0, "required",
				  psprintf("{\"actual\": %s], \"expected\": %s], \"missing\": %s]}",
						   actual.data, expected.data, missing.data));
}

/* The names of the types that members have, as JSON Schema has them. */
static const char *const member_types[] = {
	[MEMBER_STRING] = "string",
	[MEMBER_BOOLEAN] = "boolean",
	[MEMBER_OBJECT] = "object"
};

/* The name of a value's type, as JSON Schema has it. */
static const char *
type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "boolean";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "array" : "object";
		default:
			return "string";
	}
}

/* Report a value of the wrong type or not one of the allowed values. */
static void
check_value(Causes *causes, const HttpMember *member, const JsonbValue *value)
{
	StringInfoData expected;
	StringInfoData details;
	char	   *actual;
	int			i;

	if (strcmp(type_name(value), member_types[member->type]) != 0)
	{
		add_cause(causes, member->name, strlen(member->name), "type",
				  psprintf("{\"actual\": [\"%s\"], \"expected\": [\"%s\"]}",
						   type_name(value), member_types[member->type]));
		return;
	}
	if (member->values == NULL)
		return;
	actual = pnstrdup(value->val.string.val, value->val.string.len);
	initStringInfo(&expected);
	appendStringInfoChar(&expected, '[');
	for (i = 0; member->values[i] != NULL; i++)
	{
		if (strcmp(member->values[i], actual) == 0)
			return;
		append_name(&expected, member->values[i]);
	}
	appendStringInfoString(&expected, "]}");
	initStringInfo(&details);
	appendStringInfoString(&details, "{\"actual\": ");
	json_append_string(&details, actual);
	appendStringInfo(&details, ", \"expected\": %s", expected.data);
	add_cause(causes, member->name, strlen(member->name), "enum", details.data);
}

/* Report members that the body must not have, and values of a wrong type. */
static void
check_members(Causes *causes, Jsonb *body, const HttpMember *members, int count)
{
	JsonbIterator *iterator = JsonbIteratorInit(&body->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	int			i;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		for (i = 0; i < count; i++)
			if (strlen(members[i].name) == key.val.string.len &&
				memcmp(members[i].name, key.val.string.val, key.val.string.len) == 0)
				break;
		if (i < count)
			check_value(causes, &members[i], &value);
		else
			add_cause(causes, key.val.string.val, key.val.string.len,
					  "additionalProperties", NULL);
	}
}

Jsonb *
http_json_body(const HttpRequest *request, const HttpMember *members, int count,
			  HttpResponse *response)
{
	const char *reason;
	int			offset = 0;
	Jsonb	   *body;
	Causes		causes = {0};

	if (!http_content_type_is(request, "application/json"))
	{
		http_api_error(response, 400, "BadRequest", "BadRequest",
					   "request content type is invalid", NULL);
		return NULL;
	}
	body = json_parse_object_at(request->body, strlen(request->body), &reason, &offset);
	if (body == NULL)
	{
		http_api_error(response, 400, "BadRequest", "InvalidJSON",
					   psprintf("request body is invalid: %s", reason),
					   psprintf("{\"byte_offset\": %d}", offset));
		return NULL;
	}
	initStringInfo(&causes.json);
	appendStringInfoString(&causes.json, "{\"causes\": [");
	check_required(&causes, body, members, count);
	check_members(&causes, body, members, count);
	if (causes.count == 0)
		return body;
	appendStringInfoString(&causes.json, "]}");
	http_api_error(response, 400, "Invalid", "ValidationFailed", "invalid request body",
				   causes.json.data);
	return NULL;
}
