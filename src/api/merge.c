/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  merge_anonymous_user()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "base/raise.h"
#include "domain/promotion.h"
#include "funcapi.h"

PG_FUNCTION_INFO_V1(anon_auth_merge_anonymous_user);
Datum
anon_auth_merge_anonymous_user(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AppTable   *tables;
	int			count;
	int			i;

	api_begin_write("merge_anonymous_user()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		raise_required(PG_ARGISNULL(0) ? "guest_id" : "user_id");
	if (PG_ARGISNULL(2))
		raise_required("dry_run");
	InitMaterializedSRF(fcinfo, 0);
	merge_by_admin(PG_GETARG_UUID_P(0), PG_GETARG_UUID_P(1), PG_GETARG_BOOL(2),
				   GetCurrentTimestamp(), &tables, &count);
	for (i = 0; i < count; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = ObjectIdGetDatum(tables[i].id);
		values[1] = Int64GetDatum((int64) tables[i].moved);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
