/*-------------------------------------------------------------------------
 *
 * api.c
 *	  Arguments and results that several SQL functions have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "catalog/pg_type.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/identity.h"
#include "miscadmin.h"
#include "store/clients.h"
#include "store/users.h"
#include "tcop/utility.h"
#include "utils/array.h"

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

StringList
api_text_list(FunctionCallInfo fcinfo, int argument, const char *name)
{
	StringList	list = {0};
	Datum	   *items;
	bool	   *nulls;
	int			i;

	if (PG_ARGISNULL(argument))
		return list;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false, TYPALIGN_INT,
					  &items, &nulls, &list.count);
	list.items = palloc(Max(list.count, 1) * sizeof(char *));
	for (i = 0; i < list.count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain NULL", name)));
		list.items[i] = TextDatumGetCString(items[i]);
	}
	return list;
}

Span
api_token(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Span		span;
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

pg_uuid_t *
api_required_uuid(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		raise_required(name);
	return PG_GETARG_UUID_P(argument);
}

pg_uuid_t *
api_required_user(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		raise_user_required(name);
	return PG_GETARG_UUID_P(argument);
}

bool
api_required_bool(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		raise_required(name);
	return PG_GETARG_BOOL(argument);
}

int
api_required_integer(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		raise_required(name);
	return PG_GETARG_INT32(argument);
}

const Span *
api_access_token(FunctionCallInfo fcinfo, int argument, Span *token)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	*token = api_token(fcinfo, argument, "access_token");
	return token;
}

void
api_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user, Session *session)
{
	Span		token;

	identity_get_user(api_access_token(fcinfo, argument, &token), now, user, session);
}

void
api_lock_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user,
				Session *session)
{
	Span		token;

	identity_lock_user(api_access_token(fcinfo, argument, &token), now, user, session);
}

void
api_client(FunctionCallInfo fcinfo, int argument, Client *client)
{
	client_get(api_required_text(fcinfo, argument, "client_id"), client);
}

static bool
is_json_null(Jsonb *jsonb)
{
	JsonbValue	value;

	return JB_ROOT_IS_SCALAR(jsonb) && JsonbExtractScalar(&jsonb->root, &value) &&
		value.type == jbvNull;
}

DeviceReport
api_device(FunctionCallInfo fcinfo, int argument)
{
	DeviceReport device = {.device_info = api_jsonb(fcinfo, argument)};

	if (device.device_info != NULL && is_json_null(device.device_info))
		device.device_info = NULL;
	device_report_check_info(device.device_info);
	return device;
}

/* Set the columns of anon_auth.token_response. */
DpopCheck *
api_dpop(FunctionCallInfo fcinfo, const Client *client, bool shows_token, TimestampTz now)
{
	DpopCheck  *check = dpop_check(api_text(fcinfo, PG_NARGS() - 1), NULL, NULL, NULL, now);

	if (shows_token || check->given)
		dpop_admit(client, check);
	return check;
}

static void
set_token_response(ResultRow *row, const TokenResponse *response)
{
	result_row_set(row, "sub", UUIDPGetDatum(&response->sub));
	result_row_set(row, "token_type", CStringGetTextDatum(response->token_type));
	result_row_set(row, "access_token", CStringGetTextDatum(response->access_token));
	result_row_set(row, "expires_in", Int32GetDatum(response->expires_in));
	if (response->refresh_token != NULL)
		result_row_set(row, "refresh_token", CStringGetTextDatum(response->refresh_token));
	if (response->id_token != NULL)
		result_row_set(row, "id_token", CStringGetTextDatum(response->id_token));
}

Datum
api_token_response(FunctionCallInfo fcinfo, const TokenResponse *response)
{
	ResultRow  *row = result_row_begin(fcinfo);

	set_token_response(row, response);
	return result_row_finish(row);
}

void
api_add_token_response(ResultRow *row, const TokenResponse *response)
{
	set_token_response(row, response);
	result_row_add(row);
}

void
api_add_moved_rows(ResultRow *row, const AppTable *tables, int count)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		result_row_set(row, "table_name", ObjectIdGetDatum(tables[i].id));
		result_row_set(row, "rows", Int64GetDatum((int64) tables[i].moved));
		result_row_add(row);
	}
}

Datum
api_secret_with_expiry(FunctionCallInfo fcinfo, const char *column, const char *secret,
					   TimestampTz expires_at)
{
	ResultRow  *row = result_row_begin(fcinfo);

	result_row_set(row, column, CStringGetTextDatum(secret));
	result_row_set(row, "expire_at", TimestampTzGetDatum(expires_at));
	return result_row_finish(row);
}
