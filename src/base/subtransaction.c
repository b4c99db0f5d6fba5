/*-------------------------------------------------------------------------
 *
 * subtransaction.c
 *	  Doing something that can be undone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/subtransaction.h"
#include "utils/resowner.h"

/* An error must not leave the subtransaction open, even one that is raised on. */
static ErrorData *
run(SubtransactionAction action, void *arg, bool keep)
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
	ErrorData  *error = run(action, arg, true);

	if (error != NULL && error_must_not_be_caught(error))
		ReThrowError(error);
	return error;
}

/*
 * Locks and memory that the action has used up are there again by now.  Where the
 * transaction has one snapshot, it cannot get any further after a conflict.
 */
static bool
ends_transaction(const ErrorData *error)
{
	return error_is_cancellation(error) ||
		(IsolationUsesXactSnapshot() &&
		 ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK);
}

ErrorData *
subtransaction_try_foreign(SubtransactionAction action, void *arg)
{
	ErrorData  *error = run(action, arg, true);

	if (error != NULL && ends_transaction(error))
		ReThrowError(error);
	return error;
}

void
subtransaction_rehearse(SubtransactionAction action, void *arg)
{
	ErrorData  *error = run(action, arg, false);

	if (error != NULL)
		ReThrowError(error);
}
