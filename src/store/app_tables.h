/*-------------------------------------------------------------------------
 *
 * app_tables.h
 *	  Tables of the application: those with a foreign key to anon_auth.users.
 *
 * Users are deleted and merged in four steps, each in a file of its own: the tables
 * are found and locked (app_tables.c), rows are counted (app_rows.c), rows are moved
 * to another user (app_move.c), or the actions of the foreign keys are carried out
 * (app_release.c).  All statements run as the owner of the table (app_statement.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_TABLES_H
#define ANON_AUTH_APP_TABLES_H

#include "postgres.h"

#include "base/compat.h"

/* A foreign key to users: one column of type uuid, which refers to its id. */
typedef struct AppKey
{
	Oid			id;				/* of pg_constraint */
	char	   *constraint;
	char	   *column;
	char		delete_action;	/* as pg_constraint.confdeltype */
} AppKey;

typedef struct AppTable
{
	Oid			id;
	Oid			owner;
	char	   *schema;
	char	   *name;
	char	   *qualified_name; /* quoted */
	bool		partitioned;
	bool		linked;			/* by a foreign key to another of them */
	int			nkeys;
	AppKey	   *keys;
	bool		reinserted;		/* by app_move_rows(): deleted and inserted */
	uint64		moved;			/* by app_move_rows(): how many rows */
} AppTable;

/*
 * Find the tables and lock them, so that no other transaction renames, drops or
 * gives them away.  Tables of one owner that are linked stand side by side.
 * moving: lock all of them for a change of rows, not only where a key has an action.
 * Raises 0A000 if a key is not plain (foreign_keys.h), 42501 if a trigger of another
 * role would run as a superuser, and as Placement.check_app_tables().
 */
extern AppTable *app_tables_find(bool moving, int *count);

/*
 * Whether the tables and keys are the same as at an earlier call.  If not, a trigger
 * has changed them, or a partition is being detached concurrently, and the new ones
 * must be treated, too.
 */
extern bool app_tables_unchanged(bool moving, const AppTable *tables, int count);

/* How often rows are changed until the tables and keys must have settled. */
#define APP_TABLES_ROUNDS	8

/* Raise 55000: triggers change the keys each time that the rows are changed. */
pg_noreturn extern void app_tables_raise_unstable(void);

/*
 * Return how many tables, from the first on, must change in one statement.  Between
 * two statements, foreign keys among linked tables would be violated.
 */
extern int	app_tables_linked(const AppTable *tables, int count, int first);

/* Return the names of the tables for a message, separated by commas. */
extern char *app_tables_names(const AppTable *tables, int count);

/* Return how a statement names the table: with ONLY, unless it is partitioned. */
extern char *app_tables_target(const AppTable *table);

/* Whether the key keeps a user with rows from being deleted. */
extern bool app_tables_key_restricts(const AppKey *key);

#endif							/* ANON_AUTH_APP_TABLES_H */
