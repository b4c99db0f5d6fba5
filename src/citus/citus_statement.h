/*-------------------------------------------------------------------------
 *
 * citus_statement.h
 *	  Statements that Citus sends to other nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_STATEMENT_H
#define ANON_AUTH_CITUS_STATEMENT_H

#include "postgres.h"

/*
 * Called once when the library is loaded.  If Citus is loaded and no transaction has
 * begun, this backend refuses from then on to send parameters of the session to other
 * nodes (42501), unless the current user is a superuser.  Parameter
 * anon_auth.guards_nodes then is on.
 */
extern void citus_statement_init(void);

/* The operations of placement.h. */
extern int	citus_statement_enter(int nest_level);
extern void citus_statement_require_safe_write(void);

#endif							/* ANON_AUTH_CITUS_STATEMENT_H */
