/*-------------------------------------------------------------------------
 *
 * run_action.h
 *	  Running a part of an SQL function with the rights or under the session
 *	  parameters of the extension's statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RUN_ACTION_H
#define ANON_AUTH_RUN_ACTION_H

#include "postgres.h"

/*
 * Run an action as the extension's owner.  For SQL functions that cannot be SECURITY
 * DEFINER because they set the role of their caller.  If the action raises an
 * error, the abort of the transaction or subtransaction restores the role.
 */
extern void run_action_as_owner(void (*action) (void *arg), void *arg);

/*
 * Run an action under the session parameters that the extension's statements have: a
 * client cannot make the server send it the plans of the action's queries.  Raises as
 * session_settings_enter().
 */
extern void run_action_with_safe_settings(void (*action) (void *arg), void *arg);

#endif							/* ANON_AUTH_RUN_ACTION_H */
