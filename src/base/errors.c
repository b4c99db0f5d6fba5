/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Raised errors of class AA, and predicates on caught errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"

static ErrorObserver observe_error = NULL;

void
error_set_observer(ErrorObserver observer)
{
	observe_error = observer;
}

int
error_refusal(int sqlstate)
{
	if (observe_error != NULL)
		observe_error(sqlstate);
	return errcode(sqlstate);
}

/*
 * The SQLSTATE is not enough, because functions in any language can raise any
 * SQLSTATE.  The server raises cancellations in ProcessInterrupts() only.
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
