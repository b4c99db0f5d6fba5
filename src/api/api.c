/*-------------------------------------------------------------------------
 *
 * api.c
 *	  What the SQL-callable functions share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "base/raise.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

char *
api_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

char *
api_required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	char	   *value = api_text(fcinfo, argument);

	if (value == NULL || value[0] == '\0')
		raise_required(name);
	return value;
}

Span
api_token(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Span	span;
	text	   *value;

	if (PG_ARGISNULL(argument))
		raise_required(name);
	value = PG_GETARG_TEXT_PP(argument);
	span.data = VARDATA_ANY(value);
	span.length = VARSIZE_ANY_EXHDR(value);
	return span;
}

Jsonb *
api_jsonb(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : PG_GETARG_JSONB_P(argument);
}

void
api_begin_write(const char *function_name)
{
	PreventCommandDuringRecovery(function_name);
	PreventCommandIfReadOnly(function_name);
	PreventCommandIfParallelMode(function_name);
}

void
api_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user)
{
	Span	token;

	if (PG_ARGISNULL(argument))
		identity_user(NULL, now, user);
	else
	{
		token = api_token(fcinfo, argument, "access_token");
		identity_user(&token, now, user);
	}
}

void
api_client(FunctionCallInfo fcinfo, int argument, Client *client)
{
	client_get(api_required_text(fcinfo, argument, "client_id"), client);
}

static TupleDesc
result_desc(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

/*
 * Same for a function with OUT parameters, which cannot change while it has its
 * OID.  The last one is kept: to look the parameters up takes longer than to make
 * a challenge.
 */
static TupleDesc
result_desc_of_outs(FunctionCallInfo fcinfo)
{
	static Oid	kept_function = InvalidOid;
	static TupleDesc kept_desc = NULL;
	TupleDesc	desc;
	MemoryContext caller;

	if (kept_function == fcinfo->flinfo->fn_oid && OidIsValid(kept_function))
		return kept_desc;
	desc = result_desc(fcinfo);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(caller);
	if (kept_desc != NULL)
		FreeTupleDesc(kept_desc);
	kept_desc = desc;
	kept_function = fcinfo->flinfo->fn_oid;
	return kept_desc;
}

void
api_token_response_values(const TokenResponse *response, Datum values[6])
{
	values[0] = UUIDPGetDatum(&response->sub);
	values[1] = CStringGetTextDatum("Bearer");
	values[2] = CStringGetTextDatum(response->access_token);
	values[3] = Int32GetDatum(response->expires_in);
	values[4] = CStringGetTextDatum(response->refresh_token);
	values[5] = CStringGetTextDatum(response->id_token);
}

Datum
api_token_response(FunctionCallInfo fcinfo, const TokenResponse *response)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	api_token_response_values(response, values);
	return HeapTupleGetDatum(heap_form_tuple(result_desc(fcinfo), values, nulls));
}

Datum
api_secret_with_expiry(FunctionCallInfo fcinfo, const char *secret, TimestampTz expires_at)
{
	Datum		values[2];
	bool		nulls[2] = {false};

	values[0] = CStringGetTextDatum(secret);
	values[1] = TimestampTzGetDatum(expires_at);
	return HeapTupleGetDatum(heap_form_tuple(result_desc_of_outs(fcinfo), values, nulls));
}
