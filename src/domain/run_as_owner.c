/*-------------------------------------------------------------------------
 *
 * run_as_owner.c
 *	  Running a part of an SQL function as the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/run_as_owner.h"
#include "store/owner_scope.h"

void
run_as_owner(void (*action) (void *arg), void *arg)
{
	OwnerScope scope;

	owner_scope_enter(&scope);
	action(arg);
	owner_scope_leave(&scope);
}
