/*-------------------------------------------------------------------------
 *
 * app_tables.h
 *	  Tables of the application: those with a foreign key to anon_auth.users.
 *
 * They are found in the catalog.  What is done to them is done as their owner,
 * whatever row security says, and with nothing that could outlive it: their
 * triggers get the rights that they would have if their owner had done it, and
 * none of the caller's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_TABLES_H
#define ANON_AUTH_APP_TABLES_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/uuid.h"

/* A foreign key to users. */
typedef struct AppKey
{
	char	   *constraint;
	int			ncolumns;
	char	  **columns;
	char	  **user_columns;	/* of users, in the same order */
	char		delete_action;	/* as pg_constraint.confdeltype */
	int			nset_columns;	/* those that SET NULL and SET DEFAULT are about */
	char	  **set_columns;
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
	bool		changes_shard;	/* this and the next are app_tables_move()'s */
	uint64		moved;			/* rows */
} AppTable;

/*
 * All of them; those of one owner that are linked stand side by side.  Raises 55000
 * where Citus distributes one that belongs to another owner than the extension's.
 */
extern AppTable *app_tables_find(int *count);

/*
 * Lets the rows of one user refer to another, in each of the tables.  Linked
 * tables of an owner change in one statement, so that the foreign keys among
 * them hold at its end.  Raises AA021 naming table and constraint where one refuses,
 * or where a trigger keeps rows back.
 */
extern void app_tables_move(AppTable *tables, int count, const pg_uuid_t *from,
							const pg_uuid_t *to);

/*
 * Which of the users have rows there, as a uuid[]; restricting_only: in tables
 * whose foreign key would keep them from being deleted.
 */
extern ArrayType *app_tables_users_with_rows(const AppTable *tables, int count,
											 ArrayType *users, bool restricting_only);

/*
 * Does what the foreign keys say for when users are deleted, whom the caller
 * has locked.  Raises 23503 where a key forbids it or a trigger keeps rows
 * back, 40001 where rows came that the transaction does not see.
 */
extern void app_tables_release(const AppTable *tables, int count, ArrayType *users);

/*
 * What the caller has put off to the end of the transaction is checked now, as
 * the caller, and nothing is put off any more.
 */
extern void app_constraints_immediate(void);

/* Called once when the library is loaded. */
extern void app_statements_init(void);

#endif							/* ANON_AUTH_APP_TABLES_H */
