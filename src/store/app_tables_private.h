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

#include "base/compat.h"
#include "store/app_tables.h"
#include "store/statement.h"
#include "utils/snapshot.h"

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

/*
 * Find the tables and lock them, so that no other transaction renames, drops or
 * gives them away.  Those of one owner that are linked stand side by side.
 * moving: rows are changed in all of them, not only where a key has an action.
 */
extern AppTable *app_tables_find(bool moving, int *count);

/*
 * Whether the tables and keys are the same as at an earlier call.  If not, a trigger
 * has changed them, or a partition is being detached concurrently, and what was
 * done must be done for the new ones.
 */
extern bool app_tables_unchanged(bool moving, const AppTable *tables, int count);

/* Raises 55000: triggers change the keys each time that the rows are changed. */
pg_noreturn extern void app_tables_raise_unstable(void);

/* How often rows are changed until the keys must have settled. */
#define APP_TABLES_ROUNDS	8

/* Whether the key keeps a user with rows from being deleted. */
extern bool app_key_restricts(const AppKey *key);

/* Whether rows refer to one of the users by a key, in the given snapshot. */
extern bool app_key_has_rows(const AppTable *table, const AppKey *key, ArrayType *users,
							 Snapshot snapshot);

/*
 * Raises 40001 if, in a transaction with one snapshot, there are rows that it does not
 * see.  moving: also for keys that restrict, else for keys with an action.
 */
extern void app_tables_refuse_unseen(const AppTable *tables, int count, ArrayType *users,
									 bool moving);

/* "ONLY" and the table's name, or its name alone if its rows are in partitions. */
extern char *app_table_target(const AppTable *table);

#endif							/* ANON_AUTH_APP_TABLES_PRIVATE_H */
