/*-------------------------------------------------------------------------
 *
 * try.c
 *	  Turning an error into a result, with all that led to it undone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "http/http.h"

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

	ereport(LOG_SERVER_ONLY,
			(errcode(error->sqlerrcode),
			 errmsg("anon_auth_http answers 500: %s", error->message),
			 ours && error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 ours && error->hint != NULL ? errhint("%s", error->hint) : 0,
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * A write that a read-only transaction refuses is raised on: PostgREST and its
 * clients know what to make of it.
 */
ErrorData *
http_try(SubtransactionAction action, void *arg)
{
	ErrorData  *error = subtransaction_try(action, arg);

	if (error != NULL &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INVALID_TRANSACTION_STATE)
		ReThrowError(error);
	if (error != NULL && !http_is_refusal(error))
		log_fault(error);
	return error;
}
