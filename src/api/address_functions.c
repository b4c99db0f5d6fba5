/*-------------------------------------------------------------------------
 *
 * address_functions.c
 *	  The SQL functions about the address that a call comes from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "api/result_row.h"
#include "domain/client_address.h"
#include "domain/shared_address.h"
#include "utils/inet.h"

PG_FUNCTION_INFO_V1(anon_auth_use_client_address);
Datum
anon_auth_use_client_address(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("address is required")));
	client_address_use(PG_GETARG_INET_PP(0), PG_ARGISNULL(1) || PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_shared_address_refusals);
Datum
anon_auth_shared_address_refusals(PG_FUNCTION_ARGS)
{
	ResultRow  *row = result_row_begin(fcinfo);
	SharedAddressReport report;

	shared_address_report(&report);
	result_row_set(row, "refusals", Int64GetDatum(report.refusals));
	if (report.address != NULL)
		result_row_set(row, "address", InetPGetDatum(report.address));
	if (report.refusals > 0)
	{
		result_row_set(row, "first", TimestampTzGetDatum(report.first));
		result_row_set(row, "last", TimestampTzGetDatum(report.last));
	}
	return result_row_finish(row);
}
