/*-------------------------------------------------------------------------
 *
 * hook.c
 *	  Calls of the application's functions that the settings name.
 *
 * The hook must not have the caller's rights, parameters or search path, and must not
 * leave its own behind.  So it runs as its owner in a security-restricted operation,
 * within its own GUC level.  A superuser's function
 * is refused: a role with the rights of the extension's owner can name any function
 * in settings, and could become superuser in this way.
 *
 * Callers pass the names of before_sign_up and access_token_claims from the cached
 * settings, which are replaced when the settings are read again.  A hook may cause
 * that, so these names are copied first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "domain/claims.h"
#include "domain/hook.h"
#include "domain/own_jwt.h"
#include "fmgr.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "miscadmin.h"
#include "store/settings.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

typedef struct Hook
{
	const char *setting;		/* the column of settings */
	const char *signature;		/* for the DETAIL of errors */
	Oid			result;			/* type of its result; InvalidOid: any, it is ignored */
	int			nargs;
	Oid			types[3];
} Hook;

static const Hook before_sign_up = {
	"before_sign_up", "(user_id uuid, client_id text, device_info jsonb)", InvalidOid,
	3, {UUIDOID, TEXTOID, JSONBOID}
};

static const Hook access_token_claims = {
	"access_token_claims", "(claims jsonb) RETURNS jsonb", JSONBOID,
	1, {JSONBOID}
};

static const Hook after_promotion = {
	"after_promotion", "(user_id uuid, client_id text)", InvalidOid,
	2, {UUIDOID, TEXTOID}
};

static const Hook before_deletion = {
	"before_deletion", "(user_id uuid)", InvalidOid,
	1, {UUIDOID}
};
static const Hook merge = {
	"merge", "(guest_id uuid, user_id uuid)", InvalidOid,
	2, {UUIDOID, UUIDOID}
};

typedef struct HookFunction
{
	Oid			id;
	Oid			owner;
} HookFunction;

pg_noreturn static void
raise_unusable(const Hook *hook, const char *name, int sqlstate, const char *why)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("hook function %s cannot be called: %s", name, why),
			 errdetail("settings.%s names a function %s.", hook->setting, hook->signature),
			 sqlstate == ERRCODE_INVALID_NAME ?
			 errhint("Qualify the name with its schema, as in app.%s.", hook->setting) : 0,
			 sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE ?
			 errhint("Give the function to a role that has only the rights that it needs: ALTER FUNCTION ... OWNER TO.") : 0));
}

/*
 * Return the function with this schema, name and these argument types, or
 * InvalidOid.  The extension's owner needs no USAGE on the schema, because the
 * function does not run with the owner's rights.
 */
static Oid
find_function_oid(const Hook *hook, List *names)
{
	Oid			namespace_id = get_namespace_oid(strVal(linitial(names)), true);
	oidvector  *types = buildoidvector(hook->types, hook->nargs);

	if (!OidIsValid(namespace_id))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(strVal(lsecond(names))), PointerGetDatum(types),
						   ObjectIdGetDatum(namespace_id));
}

/*
 * Find the function of a name, which may be followed by argument types in
 * parentheses, as regprocedure writes it.  Raises 42602, 42883, 42P13 or 42501 if
 * the function cannot be used.
 */
static HookFunction
find_hook(const Hook *hook, const char *name)
{
	List	   *names = QualifiedNameList(pnstrdup(name, strcspn(name, "(")));
	HookFunction function;
	HeapTuple	tuple;
	Form_pg_proc form;

	if (list_length(names) != 2)
		raise_unusable(hook, name, ERRCODE_INVALID_NAME, "its name has no schema");
	function.id = find_function_oid(hook, names);
	if (!OidIsValid(function.id))
		raise_unusable(hook, name, ERRCODE_UNDEFINED_FUNCTION, "it does not exist with these arguments");
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function.id));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function.id);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	function.owner = form->proowner;
	if (form->prokind != PROKIND_FUNCTION || form->proretset ||
		(OidIsValid(hook->result) && form->prorettype != hook->result))
		raise_unusable(hook, name, ERRCODE_INVALID_FUNCTION_DEFINITION,
					   "it is not a function, or returns another type");
	if (superuser_arg(function.owner))
		raise_unusable(hook, name, ERRCODE_INSUFFICIENT_PRIVILEGE, "it belongs to a superuser");
	ReleaseSysCache(tuple);
	return function;
}

/*
 * Return whether the hook refuses on purpose: RAISE EXCEPTION, AA020, or a PTxyz code for
 * PostgREST.  The other errors of class P0 are mistakes, and may quote a row.
 */
static bool
is_refusal(int sqlstate)
{
	return sqlstate == ERRCODE_RAISE_EXCEPTION || sqlstate == ERRCODE_AA_HOOK ||
		ERRCODE_TO_CATEGORY(sqlstate) == MAKE_SQLSTATE('P', 'T', '0', '0', '0');
}

/*
 * The SQLSTATE of a hook that failed.  22023 and those of class AA say that the caller's
 * request is wrong: callers show the messages of these errors to strangers, and programs
 * act on them.  An error of the hook says neither, so it must not look like one of ours.
 */
static int
sqlstate_of_failure(int sqlstate)
{
	return sqlstate == ERRCODE_INVALID_PARAMETER_VALUE ||
		ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_AA_HOOK) ?
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION : sqlstate;
}

/* The DETAIL of a failed hook's error is left out, because it may quote a row. */
pg_noreturn static void
raise_error_of_hook(const Hook *hook, const char *name, ErrorData *error)
{
	if (error_must_not_be_caught(error))
		ReThrowError(error);
	if (!is_refusal(error->sqlerrcode))
		ereport(ERROR,
				(errcode(sqlstate_of_failure(error->sqlerrcode)),
				 errmsg("hook %s failed: %s", name, error->message),
				 errdetail("The hook is named in settings.%s.", hook->setting),
				 error->hint != NULL ? errhint("%s", error->hint) : 0));
	ereport(ERROR,
			(error_refusal(error->sqlerrcode == ERRCODE_RAISE_EXCEPTION ? ERRCODE_AA_HOOK :
						   error->sqlerrcode),
			 errmsg("%s", error->message),
			 error->detail != NULL ?
			 errdetail_internal("%s (Raised by hook %s, settings.%s.)", error->detail, name,
								hook->setting) :
			 errdetail("Raised by hook %s, settings.%s.", name, hook->setting),
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* Set the arguments of a call.  Return false if one is NULL and the function is strict. */
static bool
set_arguments(FunctionCallInfo fcinfo, int count, const Datum *args, const bool *nulls)
{
	bool		any_null = false;
	int			i;

	for (i = 0; i < count; i++)
	{
		fcinfo->args[i].value = args[i];
		fcinfo->args[i].isnull = nulls != NULL && nulls[i];
		any_null |= fcinfo->args[i].isnull;
	}
	return !(any_null && fcinfo->flinfo->fn_strict);
}

/* Make a call, and raise its errors as errors of the hook. */
static Datum
invoke_hook(const Hook *hook, const char *name, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		result = (Datum) 0;

	PG_TRY();
	{
		result = FunctionCallInvoke(fcinfo);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		raise_error_of_hook(hook, name, error);
	}
	PG_END_TRY();
	return result;
}

/*
 * Call a hook and return its result.  nulls NULL means that no argument is NULL;
 * is_null may be NULL.  A strict function with a NULL argument is not called, and
 * its result is NULL.  An error needs no clean-up: the abort of the (sub)transaction
 * restores the user and the parameters.
 */
static Datum
call_hook(const Hook *hook, const char *name, const Datum *args, const bool *nulls, bool *is_null)
{
	HookFunction function = find_hook(hook, name);
	LOCAL_FCINFO(fcinfo, 3);
	FmgrInfo	info;
	Oid			user_id;
	int			sec_context;
	int			nest_level;
	Datum		result = (Datum) 0;

	GetUserIdAndSecContext(&user_id, &sec_context);
	SetUserIdAndSecContext(function.owner, sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	nest_level = NewGUCNestLevel();

	fmgr_info(function.id, &info);
	InitFunctionCallInfoData(*fcinfo, &info, hook->nargs, InvalidOid, NULL, NULL);
	if (set_arguments(fcinfo, hook->nargs, args, nulls))
		result = invoke_hook(hook, name, fcinfo);
	else
		fcinfo->isnull = true;

	/* Undo the hook's SET commands. */
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(user_id, sec_context);
	if (is_null != NULL)
		*is_null = fcinfo->isnull;
	return result;
}

void
hook_before_sign_up(const char *name, const pg_uuid_t *user_id, const char *client_id,
					Jsonb *device_info)
{
	bool		nulls[] = {false, client_id == NULL, device_info == NULL};
	Datum		args[] = {
		UUIDPGetDatum(user_id),
		client_id == NULL ? (Datum) 0 : CStringGetTextDatum(client_id),
		device_info == NULL ? (Datum) 0 : JsonbPGetDatum(device_info)
	};

	if (name == NULL)
		return;
	name = pstrdup(name);
	call_hook(&before_sign_up, name, args, nulls, NULL);
}

void
hook_before_deletion(const char *name, const pg_uuid_t *user_id)
{
	Datum		args[1];

	if (name == NULL)
		return;
	name = pstrdup(name);
	args[0] = UUIDPGetDatum(user_id);
	call_hook(&before_deletion, name, args, NULL, NULL);
}

void
hook_after_promotion(const char *name, const pg_uuid_t *user_id, const char *client_id)
{
	Datum		args[2];

	if (name == NULL)
		return;
	args[0] = UUIDPGetDatum(user_id);
	args[1] = CStringGetTextDatum(client_id);
	call_hook(&after_promotion, name, args, NULL, NULL);
}

void
hook_merge(const char *name, const pg_uuid_t *guest_id, const pg_uuid_t *user_id)
{
	Datum		args[2];

	if (name == NULL)
		return;
	args[0] = UUIDPGetDatum(guest_id);
	args[1] = UUIDPGetDatum(user_id);
	call_hook(&merge, name, args, NULL, NULL);
}

/* Return whether only the server may set a claim (RFC 7519, section 4.1; RFC 9068, section 2.2). */
static bool
is_reserved_claim(const JsonbValue *name)
{
	static const char *const reserved[] = {
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "amr", "client_id",
		"sid", "role", "roles", "is_anonymous", "cnf"
	};
	const char *prefix = USER_CLAIM_PREFIX;
	int			i;

	for (i = 0; i < lengthof(reserved); i++)
		if (name->val.string.len == (int) strlen(reserved[i]) &&
			memcmp(name->val.string.val, reserved[i], name->val.string.len) == 0)
			return true;
	return name->val.string.len >= (int) strlen(prefix) &&
		memcmp(name->val.string.val, prefix, strlen(prefix)) == 0;
}

static bool
same_values(const JsonbValue *a, const JsonbValue *b)
{
	return compareJsonbContainers(&JsonbValueToJsonb(unconstify(JsonbValue *, a))->root,
								  &JsonbValueToJsonb(unconstify(JsonbValue *, b))->root) == 0;
}

/*
 * Append the members of the hook's object to the claims.  A hook may return the
 * claims that it was given, so a member with the same name and value is ignored.
 */
static void
append_claims(const char *name, StringInfo json, Jsonb *given, Jsonb *added)
{
	JsonbIterator *iterator = JsonbIteratorInit(&added->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	json->data[--json->len] = '\0';
	(void) JsonbIteratorNext(&iterator, &key, true);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY)
	{
		char	   *claim = pnstrdup(key.val.string.val, key.val.string.len);
		JsonbValue *old = json_member(given, claim);

		(void) JsonbIteratorNext(&iterator, &value, true);
		if (old != NULL && same_values(old, &value))
			continue;
		if (old != NULL || is_reserved_claim(&key))
			ereport(ERROR,
					(error_refusal(ERRCODE_AA_HOOK),
					 errmsg("hook %s must not set the claim \"%s\"", name, claim),
					 errdetail("Only the server sets this claim."),
					 errhint("Let the hook return an object that has only the claims to add.")));
		if (json->data[json->len - 1] != '{')
			appendStringInfoChar(json, ',');
		json_append_string(json, claim);
		appendStringInfo(json, ":%s", json_from_jsonb(JsonbValueToJsonb(&value)));
	}
	json_close(json);
}

void
hook_access_token_claims(const char *name, StringInfo claims)
{
	Datum		args[1];
	Datum		result;
	bool		is_null;
	Jsonb	   *given;
	Jsonb	   *added;
	const char *reason;

	if (name == NULL)
		return;
	name = pstrdup(name);
	given = json_to_jsonb(claims->data);
	args[0] = JsonbPGetDatum(given);
	result = call_hook(&access_token_claims, name, args, NULL, &is_null);
	if (is_null)
		return;
	added = DatumGetJsonbP(result);
	if (!JB_ROOT_IS_OBJECT(added))
		ereport(ERROR,
				(error_refusal(ERRCODE_AA_HOOK),
				 errmsg("hook %s must return a JSON object", name)));
	append_claims(name, claims, given, added);
	reason = own_jwt_claims_problem(claims->data, claims->len);
	if (reason != NULL)
		ereport(ERROR,
				(error_refusal(ERRCODE_AA_HOOK),
				 errmsg("hook %s returned claims that no token can have", name),
				 errdetail("The claims are refused: %s.", reason)));
}

static void
check_hook(const Hook *hook, const char *name)
{
	if (name != NULL)
		(void) find_hook(hook, name);
}

void
hook_settings_changed(bool check_hooks)
{
	HookNames	names;

	settings_forget();
	if (!check_hooks)
		return;
	settings_read_hooks(&names);
	check_hook(&before_sign_up, names.before_sign_up);
	check_hook(&access_token_claims, names.access_token_claims);
	check_hook(&after_promotion, names.after_promotion);
	check_hook(&before_deletion, names.before_deletion);
	check_hook(&merge, names.merge);
}
