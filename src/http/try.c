/*-------------------------------------------------------------------------
 *
 * try.c
 *	  Turning an error into a result, with all that led to it undone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "errors.h"
#include "http/http.h"
#include "utils/resowner.h"

/*
 * Who gets a 500 from us could do nothing about these, and a response would
 * make PostgREST commit: cancelled or shut down, out of resources, to be
 * retried, read-only.
 */
static bool
must_not_be_caught(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INVALID_TRANSACTION_STATE:
			return true;
		default:
			return false;
	}
}

bool
http_is_refusal(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_AA_SIGNING_KEY)
		return false;
	return error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_TO_CATEGORY(ERRCODE_AA_INVALID_CLIENT);
}

/* The detail of an unforeseen error may quote a row, so it stays out. */
static void
log_fault(const ErrorData *error)
{
	bool		ours = error->sqlerrcode == ERRCODE_AA_SIGNING_KEY ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_CONFIG_FILE_ERROR;

	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("anon_auth_http answers 500: %s", error->message),
			 ours && error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 ours && error->hint != NULL ? errhint("%s", error->hint) : 0,
			 errhidestmt(true), errhidecontext(true)));
}

ErrorData *
http_try(HttpAction action, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		action(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL && must_not_be_caught(error))
		ReThrowError(error);
	if (error != NULL && !http_is_refusal(error))
		log_fault(error);
	return error;
}
