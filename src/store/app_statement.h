/*-------------------------------------------------------------------------
 *
 * app_statement.h
 *	  Running statements on the application's tables.
 *
 * Statements run as the owner of the table and see all rows, whatever row security
 * says.  Triggers get the rights that they would have if the owner had run the
 * statement, and none of the caller's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_STATEMENT_H
#define ANON_AUTH_APP_STATEMENT_H

#include "postgres.h"

#include "store/app_tables.h"
#include "store/owner_scope.h"

/* Called once when the library is loaded. */
extern void app_statement_init(void);

/*
 * Become the owner of a table, and the former role again.  An error in between needs
 * no clean-up, because the end of the transaction restores the role.
 */
extern void app_statement_enter_owner(OwnerScope *scope, Oid owner);
extern void app_statement_leave_owner(OwnerScope *scope);

/*
 * Run a statement that names only these tables, within SPI_connect().  Returns SPI's
 * code.  Raises 55000 if a name has come to mean another relation, or if a table has
 * another owner than before.
 */
extern int	app_statement_run(const AppTable *tables, int count, const char *sql, int nparams,
							  Oid *types, Datum *params, const char *nulls, bool read_only);

/*
 * Run the triggers and check the constraints that the caller has deferred to the end
 * of the transaction, as the caller.  Later ones are not deferred.
 */
extern void app_statement_run_deferred(void);

#endif							/* ANON_AUTH_APP_STATEMENT_H */
