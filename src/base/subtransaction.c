/*-------------------------------------------------------------------------
 *
 * subtransaction.c
 *	  Running an action in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/subtransaction.h"
#include "utils/resowner.h"

/*
 * Run an action, and commit or roll back its subtransaction.  Every error is caught and
 * returned, so that the subtransaction is never left open.
 */
static ErrorData *
run_in_subtransaction(SubtransactionAction action, void *arg, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		action(arg);
		if (keep)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
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
	return error;
}

ErrorData *
subtransaction_try(SubtransactionAction action, void *arg)
{
	ErrorData  *error = run_in_subtransaction(action, arg, true);

	if (error != NULL && error_must_not_be_caught(error))
		ReThrowError(error);
	return error;
}

/*
 * Return true if the transaction cannot continue after an error.  Locks and memory of
 * the action have been released, so a lack of them does not matter.  A transaction
 * with one snapshot cannot succeed after a conflict.
 */
static bool
error_ends_transaction(const ErrorData *error)
{
	return error_is_cancellation(error) ||
		(IsolationUsesXactSnapshot() &&
		 ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK);
}

ErrorData *
subtransaction_try_foreign(SubtransactionAction action, void *arg)
{
	ErrorData  *error = run_in_subtransaction(action, arg, true);

	if (error != NULL && error_ends_transaction(error))
		ReThrowError(error);
	return error;
}

void
subtransaction_rehearse(SubtransactionAction action, void *arg)
{
	ErrorData  *error = run_in_subtransaction(action, arg, false);

	if (error != NULL)
		ReThrowError(error);
}
