/*-------------------------------------------------------------------------
 *
 * owner_scope.h
 *	  Running as the owner of the extension's tables for a while.
 *
 * For functions that are not SECURITY DEFINER because they must be cheap.  An
 * error in between needs no clean-up: transaction abort restores the role and the
 * parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OWNER_SCOPE_H
#define ANON_AUTH_OWNER_SCOPE_H

#include "postgres.h"

/* The search_path that the extension's functions and statements run with. */
#define SAFE_SEARCH_PATH	"pg_catalog, pg_temp"

/* The state to restore. */
typedef struct OwnerScope
{
	Oid			user_id;
	int			sec_context;
	int			guc_nest_level;
} OwnerScope;

/* Become the owner, with the safe search_path. */
extern void owner_scope_enter(OwnerScope *scope);

/* Restore the role, the security context and the parameters. */
extern void owner_scope_leave(OwnerScope *scope);

#endif							/* ANON_AUTH_OWNER_SCOPE_H */
