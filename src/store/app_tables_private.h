/*-------------------------------------------------------------------------
 *
 * app_tables_private.h
 *	  What the files of app_tables.h share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_TABLES_PRIVATE_H
#define ANON_AUTH_APP_TABLES_PRIVATE_H

#include "postgres.h"

#include "store/app_tables.h"
#include "store/statement.h"

/* Become a table's owner, and go back; an error needs no clean-up. */
extern void app_owner_enter(StoreOwnerScope *scope, Oid owner);
extern void app_owner_leave(StoreOwnerScope *scope);

/*
 * Runs a statement in which no other tables are named than these, and raises
 * 55000 where a name has come to mean another one or its owner has changed.  As
 * SPI_execute_with_args().
 */
extern int	app_statement_run(const AppTable *tables, int count, const char *sql, int nparams,
							  Oid *types, Datum *params, const char *nulls, bool read_only);

/* The tables' names, for a message. */
extern char *app_table_names(const AppTable *tables, int count);

/* How many tables, from the first on, must change in one statement. */
extern int	app_tables_linked(const AppTable *tables, int count, int first);

/* The column of a key that holds the user's id.  Raises 0A000 where none does. */
extern const char *app_key_id_column(const AppTable *table, const AppKey *key);

#endif							/* ANON_AUTH_APP_TABLES_PRIVATE_H */
