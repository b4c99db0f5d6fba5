/*-------------------------------------------------------------------------
 *
 * purge_retry.c
 *	  Users that purge() could not delete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "domain/purge_retry.h"
#include "utils/timestamp.h"

int64
purge_retry_interval(const ErrorData *error)
{
	return (error_may_pass(error) ? PURGE_PASSING_RETRY_SECONDS : PURGE_RETRY_SECONDS) *
		USECS_PER_SEC;
}

void
purge_retry_warn(const ErrorData *error, const char *what)
{
	ereport(WARNING,
			(errmsg("%s: %s", what, error->message),
			 error_may_pass(error) ?
			 errdetail("purge() will try again after 5 minutes.") :
			 errdetail("purge() will try again after a day.")));
}
