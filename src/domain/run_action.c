/*-------------------------------------------------------------------------
 *
 * run_action.c
 *	  Running a part of an SQL function with the rights or under the session
 *	  parameters of the extension's statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/run_action.h"
#include "store/owner_scope.h"
#include "store/session_settings.h"

void
run_action_as_owner(void (*action) (void *arg), void *arg)
{
	OwnerScope scope;

	owner_scope_enter(&scope);
	action(arg);
	owner_scope_leave(&scope);
}

void
run_action_with_safe_settings(void (*action) (void *arg), void *arg)
{
	int			nest_level = session_settings_enter();

	action(arg);
	session_settings_leave(nest_level);
}
