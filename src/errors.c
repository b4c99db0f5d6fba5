/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Errors that are raised from more than one place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "errors.h"

void
check_jose_internal(JoseStatus status)
{
	if (status != JOSE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("cryptographic operation failed"),
				 errdetail_internal("%s", jose_status_message(status))));
}

void
raise_invalid_jwk(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_AA_INVALID_KEY),
			 errmsg("invalid JWK"),
			 errdetail_internal("The JWK is refused: %s.", reason)));
}

void
raise_required(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is required", name)));
}

/*
 * The SQLSTATE alone does not tell: functions of any language can raise what they
 * like.  The server cancels a query in one place only.
 */
bool
error_is_cancellation(const ErrorData *error)
{
	return error->elevel > ERROR ||
		(error->sqlerrcode == ERRCODE_QUERY_CANCELED && error->funcname != NULL &&
		 strcmp(error->funcname, "ProcessInterrupts") == 0);
}

bool
error_must_not_be_caught(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return true;
		default:
			return error_is_cancellation(error);
	}
}

bool
error_may_pass(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return true;
		default:
			break;
	}
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_COLUMN:
		case ERRCODE_UNDEFINED_SCHEMA:
			return true;
		default:
			return false;
	}
}
