/*-------------------------------------------------------------------------
 *
 * session.c
 *	  refresh_session(), revoke(), authenticate(),
 *	  exchange_authorization_code()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "domain/authorization.h"
#include "funcapi.h"

PG_FUNCTION_INFO_V1(anon_auth_refresh_session);
Datum
anon_auth_refresh_session(PG_FUNCTION_ARGS)
{
	Client		client;
	TokenResponse response;

	api_begin_write("refresh_session()");
	api_client(fcinfo, 0, &client);
	if (!session_refresh(&client, api_required_text(fcinfo, 1, "refresh_token"),
						 GetCurrentTimestamp(), &response))
		PG_RETURN_NULL();
	return api_token_response(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(anon_auth_revoke);
Datum
anon_auth_revoke(PG_FUNCTION_ARGS)
{
	api_begin_write("revoke()");
	if (!PG_ARGISNULL(0))
	{
		Span	token = api_token(fcinfo, 0, "token");

		session_revoke(token.data, token.length, GetCurrentTimestamp());
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_authenticate);
Datum
anon_auth_authenticate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Client		client;
	TokenResponse response;

	api_begin_write("authenticate()");
	InitMaterializedSRF(fcinfo, 0);
	api_client(fcinfo, 0, &client);
	if (login_authenticate(&client, api_required_text(fcinfo, 1, "login_id"),
						   api_required_text(fcinfo, 2, "password"),
						   GetCurrentTimestamp(), &response))
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		api_token_response_values(&response, values);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_exchange_authorization_code);
Datum
anon_auth_exchange_authorization_code(PG_FUNCTION_ARGS)
{
	Client		client;
	TokenResponse response;

	api_begin_write("exchange_authorization_code()");
	api_client(fcinfo, 0, &client);
	authorization_code_exchange(&client,
								api_required_text(fcinfo, 1, "code"),
								api_required_text(fcinfo, 2, "redirect_uri"),
								api_required_text(fcinfo, 3, "code_verifier"),
								GetCurrentTimestamp(), &response);
	return api_token_response(fcinfo, &response);
}
