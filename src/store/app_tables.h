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
 * Return the users that have rows in these tables, as a uuid[]; restricting_only: in
 * tables whose foreign key would keep them from being deleted.
 */
extern ArrayType *app_tables_users_with_rows(ArrayType *users, bool restricting_only);

/*
 * Do what the foreign keys say for when users are deleted.
 *
 * The caller holds the users' rows and has called foreign_keys_hold().  At the end no
 * row refers to the users, whatever the transaction's snapshot.  Raises 23503 if a
 * key forbids it or a trigger keeps rows back; 40001 if there are rows that the
 * transaction does not see; 0A000 if a key is not plain (foreign_keys.h); 55000
 * if triggers replace tables or foreign keys meanwhile, or if Citus distributes
 * a table of another owner.
 */
extern void app_tables_release(ArrayType *users);

/*
 * What the caller has put off to the end of the transaction is checked now, as
 * the caller, and nothing is put off any more.
 */
extern void app_constraints_immediate(void);

/* Called once when the library is loaded. */
extern void app_statements_init(void);

#endif							/* ANON_AUTH_APP_TABLES_H */
