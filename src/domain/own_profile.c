/*-------------------------------------------------------------------------
 *
 * own_profile.c
 *	  The profile that users write: standard claims of OpenID Connect, and the custom
 *	  attributes that settings.user_writable_attributes names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/own_profile.h"
#include "domain/profile_value.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "lib/stringinfo.h"
#include "login_id/login_id.h"
#include "nodes/pg_list.h"
#include "store/events.h"
#include "store/settings.h"
#include "utils/fmgrprotos.h"

#define CUSTOM_ATTRIBUTES	"custom_attributes"

static const struct
{
	const char *code;
	const char *clause;
}			profile_reasons[] = {
#define PROFILE_REASON(name, code, clause) {code, clause},
	PROFILE_REASONS(PROFILE_REASON)
};

/* A member that a request sets, or removes if value is NULL. */
typedef struct MemberChange
{
	const char *name;
	bool		is_custom;
	Jsonb	   *value;
} MemberChange;

/* A request that is being checked. */
typedef struct ProfileRequest
{
	ProfilePolicy policy;
	TimestampTz now;
	List	   *changes;
	ProfileProblem *problems;
	int			problem_count;
} ProfileRequest;

static void
add_problem(ProfileRequest *request, const char *member, ProfileReason reason)
{
	request->problems = request->problems == NULL ? palloc(sizeof(ProfileProblem)) :
		repalloc(request->problems, (request->problem_count + 1) * sizeof(ProfileProblem));
	request->problems[request->problem_count++] = (ProfileProblem) {member, reason};
}

static void
add_change(ProfileRequest *request, const char *name, bool is_custom, Jsonb *value)
{
	MemberChange *change = palloc(sizeof(MemberChange));

	*change = (MemberChange) {name, is_custom, value};
	request->changes = lappend(request->changes, change);
}

static Jsonb *
jsonb_of_text(const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = (char *) text;
	value.val.string.len = (int) strlen(text);
	return JsonbValueToJsonb(&value);
}

/* Return the text of a value that is a string or null, which is empty; otherwise NULL. */
static char *
text_of_value(const JsonbValue *value)
{
	if (value->type == jbvNull)
		return "";
	return value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

pg_noreturn static void
raise_member(const char *member, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the member \"%s\" of the profile %s", member, problem),
			 errhint("%s", hint)));
}

pg_noreturn static void
raise_unwritable_claim(const char *name)
{
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (strcmp(name, login_id_claim(type)) == 0)
			raise_member(name, "is a login ID",
						 "Call add_login_id() and remove_login_id() to change it.");
	raise_member(name, "cannot be written",
				 "Users can write name, given_name, family_name, middle_name, nickname, profile, picture, website, gender, birthdate, zoneinfo, locale, address and custom_attributes.");
}

/* Iterate over the members of an object.  Return false at the end. */
static bool
next_member(JsonbIterator **iterator, char **name, JsonbValue *value)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(iterator, value, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		*name = pnstrdup(value->val.string.val, value->val.string.len);
		(void) JsonbIteratorNext(iterator, value, true);
		return true;
	}
	return false;
}

static bool
is_address_member(const char *name)
{
	const char *known;
	int			i;

	for (i = 0; (known = profile_value_address_member(i)) != NULL; i++)
		if (strcmp(known, name) == 0)
			return true;
	return false;
}

/* The claim address is replaced as a whole. */
static void
check_address(ProfileRequest *request, const Jsonb *address)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &address->root));
	StringInfoData json;
	JsonbValue	value;
	ProfileReason reason;
	char	   *name;

	initStringInfo(&json);
	json_open(&json);
	while (next_member(&iterator, &name, &value))
	{
		char	   *text = text_of_value(&value);
		char	   *stored;

		if (!is_address_member(name))
			add_problem(request, "address", PROFILE_NO_ADDRESS);
		else if (text == NULL)
			add_problem(request, psprintf("address.%s", name), PROFILE_NO_TEXT);
		else if (!profile_value_check_address(name, text, &stored, &reason))
			add_problem(request, psprintf("address.%s", name), reason);
		else if (stored != NULL)
			json_add_string(&json, name, stored);
	}
	json_close(&json);
	add_change(request, "address", false,
			   strcmp(json.data, "{}") == 0 ? NULL : json_to_jsonb(json.data));
}

static void
check_claim(ProfileRequest *request, const char *name, const JsonbValue *value)
{
	const ProfileClaim *claim = profile_value_claim(name);
	char	   *text = text_of_value(value);
	char	   *stored;
	ProfileReason reason;

	if (claim == NULL)
		raise_unwritable_claim(name);
	if (claim->kind == PROFILE_ADDRESS && text == NULL)
	{
		Jsonb	   *address = json_container(value);

		if (address != NULL && JB_ROOT_IS_OBJECT(address))
			check_address(request, address);
		else
			add_problem(request, name, PROFILE_NO_ADDRESS);
	}
	else if (text == NULL)
		add_problem(request, name, PROFILE_NO_TEXT);
	else if (!profile_value_check(claim, text, request->now, &stored, &reason))
		add_problem(request, name, reason);
	else
		add_change(request, claim->name, false, stored == NULL ? NULL : jsonb_of_text(stored));
}

static void
check_custom(ProfileRequest *request, const JsonbValue *object)
{
	Jsonb	   *attributes = json_container(object);
	JsonbIterator *iterator;
	JsonbValue	value;
	char	   *name;

	if (attributes == NULL || !JB_ROOT_IS_OBJECT(attributes))
		raise_member(CUSTOM_ATTRIBUTES, "must be an object",
					 "To remove an attribute, set it to null.");
	iterator = JsonbIteratorInit(&attributes->root);
	while (next_member(&iterator, &name, &value))
	{
		const char *member = psprintf(CUSTOM_ATTRIBUTES ".%s", name);
		Jsonb	   *jsonb = value.type == jbvNull ? NULL : JsonbValueToJsonb(&value);

		if (!string_list_contains(&request->policy.user_writable_attributes, name))
			raise_member(member, "cannot be written",
						 "settings.user_writable_attributes names the attributes that users can write.");
		if (jsonb != NULL && json_text_is_longer(jsonb, PROFILE_CUSTOM_MAX_LENGTH))
			add_problem(request, member, PROFILE_TOO_LARGE);
		else
			add_change(request, name, true, jsonb);
	}
}

static void
check_request(const Jsonb *attributes, TimestampTz now, ProfileRequest *request)
{
	JsonbIterator *iterator;
	JsonbValue	value;
	char	   *name;

	memset(request, 0, sizeof(ProfileRequest));
	request->now = now;
	settings_read_profile_policy(&request->policy);
	if (!JB_ROOT_IS_OBJECT(attributes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("attributes must be a JSON object")));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &attributes->root));
	while (next_member(&iterator, &name, &value))
	{
		if (strcmp(name, CUSTOM_ATTRIBUTES) == 0)
			check_custom(request, &value);
		else
			check_claim(request, name, &value);
	}
}

StringList
own_profile_custom_attributes(void)
{
	ProfilePolicy policy;

	settings_read_profile_policy(&policy);
	return policy.user_writable_attributes;
}

const char *
own_profile_reason_code(ProfileReason reason)
{
	return profile_reasons[reason].code;
}

int
own_profile_check(const Jsonb *attributes, TimestampTz now, ProfileProblem **problems)
{
	ProfileRequest request;

	check_request(attributes, now, &request);
	*problems = request.problems;
	return request.problem_count;
}

pg_noreturn static void
raise_problems(const ProfileRequest *request)
{
	StringInfoData reasons;
	StringInfoData sentences;
	int			i;

	initStringInfo(&reasons);
	initStringInfo(&sentences);
	json_open_array(&reasons);
	for (i = 0; i < request->problem_count; i++)
	{
		const ProfileProblem *problem = &request->problems[i];

		json_open(&reasons);
		json_add_string(&reasons, "member", problem->member);
		json_add_string(&reasons, "reason", profile_reasons[problem->reason].code);
		json_close(&reasons);
		appendStringInfo(&sentences, "%sThe value of %s %s.", i > 0 ? " " : "", problem->member,
						 profile_reasons[problem->reason].clause);
	}
	json_close_array(&reasons);
	raise_invalid_profile(reasons.data, sentences.data);
}

/* Return whether a change sets a member to another value than it has. */
static bool
changes_user(const User *user, const MemberChange *change)
{
	JsonbValue *member = json_member(change->is_custom ? user->custom_attributes :
									 user->standard_attributes, change->name);

	if (member == NULL || change->value == NULL)
		return member != NULL || change->value != NULL;
	return compareJsonbContainers(&JsonbValueToJsonb(member)->root, &change->value->root) != 0;
}

/* The changes of one of the two columns. */
typedef struct ColumnChanges
{
	JsonbParseState *state;
	StringList	removed;
	Jsonb	   *values;
} ColumnChanges;

static void
add_to_column(ColumnChanges *column, const MemberChange *change)
{
	JsonbValue	key = {.type = jbvString};
	JsonbValue	value = {.type = jbvBinary};

	if (change->value == NULL)
	{
		column->removed.items[column->removed.count++] = (char *) change->name;
		return;
	}
	key.val.string.val = (char *) change->name;
	key.val.string.len = (int) strlen(change->name);
	pushJsonbValue(&column->state, WJB_KEY, &key);
	if (JB_ROOT_IS_SCALAR(change->value))
		(void) JsonbExtractScalar(&change->value->root, &value);
	else
	{
		value.val.binary.data = &change->value->root;
		value.val.binary.len = (int) VARSIZE_ANY_EXHDR(change->value);
	}
	pushJsonbValue(&column->state, WJB_VALUE, &value);
}

/* Sort the changes into the two columns; columns[1] is custom_attributes. */
static void
divide_changes(const List *changes, ColumnChanges columns[2])
{
	ListCell   *cell;
	int			i;

	for (i = 0; i < 2; i++)
	{
		memset(&columns[i], 0, sizeof(ColumnChanges));
		columns[i].removed.items = palloc(Max(list_length(changes), 1) * sizeof(char *));
		pushJsonbValue(&columns[i].state, WJB_BEGIN_OBJECT, NULL);
	}
	foreach(cell, changes)
	{
		const MemberChange *change = lfirst(cell);

		add_to_column(&columns[change->is_custom], change);
	}
	for (i = 0; i < 2; i++)
		columns[i].values = JsonbValueToJsonb(pushJsonbValue(&columns[i].state, WJB_END_OBJECT,
															 NULL));
}

/* The payload names the members, and has no values: the profile itself is in users. */
static Jsonb *
payload_of_changes(const List *changes)
{
	StringList	names = {0, palloc(Max(list_length(changes), 1) * sizeof(char *))};
	StringInfoData json;
	ListCell   *cell;

	foreach(cell, changes)
	{
		const MemberChange *change = lfirst(cell);

		names.items[names.count++] = change->is_custom ?
			psprintf(CUSTOM_ATTRIBUTES ".%s", change->name) : (char *) change->name;
	}
	initStringInfo(&json);
	json_open(&json);
	json_add_strings(&json, "members", &names);
	json_close(&json);
	return json_to_jsonb(json.data);
}

void
own_profile_update(User *user, const Session *session, const Jsonb *attributes, TimestampTz now)
{
	ProfileRequest request;
	ColumnChanges columns[2];
	List	   *changes = NIL;
	ListCell   *cell;

	check_request(attributes, now, &request);
	if (request.problem_count > 0)
		raise_problems(&request);
	foreach(cell, request.changes)
	{
		if (changes_user(user, lfirst(cell)))
			changes = lappend(changes, lfirst(cell));
	}
	if (changes == NIL)
		return;
	divide_changes(changes, columns);
	users_set_attributes(&user->id, columns[0].values, &columns[0].removed,
						 columns[1].values, &columns[1].removed, now, user);
	events_insert("profile.updated", &user->id, session->client_id,
				  payload_of_changes(changes), now);
}
