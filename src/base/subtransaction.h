/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *	  Doing something that can be undone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SUBTRANSACTION_H
#define ANON_AUTH_SUBTRANSACTION_H

#include "postgres.h"

typedef void (*SubtransactionAction) (void *arg);

/*
 * Runs an action in a subtransaction and in the caller's memory context.  NULL
 * where it succeeded, else what it raised, with all that it did undone.  What
 * nobody may catch is raised on; see error_must_not_be_caught().
 */
extern ErrorData *subtransaction_try(SubtransactionAction action, void *arg);

/*
 * The same, for an action that runs other people's code, which can raise any
 * error on purpose: only a cancellation is raised on.
 */
extern ErrorData *subtransaction_try_foreign(SubtransactionAction action, void *arg);

/* Runs an action and undoes it; what it has palloc'd stays.  Raises its errors. */
extern void subtransaction_rehearse(SubtransactionAction action, void *arg);

#endif							/* ANON_AUTH_SUBTRANSACTION_H */
