/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *	  Running an action in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SUBTRANSACTION_H
#define ANON_AUTH_SUBTRANSACTION_H

#include "postgres.h"

typedef void (*SubtransactionAction) (void *arg);

/*
 * Run an action in a subtransaction and in the caller's memory context.  Returns NULL
 * if it succeeded.  If it raised an error, its changes are undone and the palloc'd
 * error is returned.  Errors that must not be caught are raised again
 * (error_must_not_be_caught()).
 */
extern ErrorData *subtransaction_try(SubtransactionAction action, void *arg);

/*
 * The same for an action that runs code of users, such as triggers and hooks, which
 * can raise any SQLSTATE on purpose.  Only cancellations are raised again, and
 * serialization failures and deadlocks above READ COMMITTED.
 */
extern ErrorData *subtransaction_try_foreign(SubtransactionAction action, void *arg);

/*
 * Run an action and undo its changes.  Memory that it has palloc'd is kept.  Raises
 * the errors of the action.
 */
extern void subtransaction_rehearse(SubtransactionAction action, void *arg);

#endif							/* ANON_AUTH_SUBTRANSACTION_H */
