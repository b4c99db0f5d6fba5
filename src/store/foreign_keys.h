/*-------------------------------------------------------------------------
 *
 * foreign_keys.h
 *	  The foreign keys to anon_auth.users, as the catalog has them now.
 *
 * The catalog is read with its own snapshot, never with the transaction's: a
 * key that another transaction has committed counts at every isolation level,
 * as it does for PostgreSQL's own DELETE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_FOREIGN_KEYS_H
#define ANON_AUTH_FOREIGN_KEYS_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"

typedef struct ForeignKey
{
	Oid			id;				/* of pg_constraint */
	Oid			table_id;		/* the referencing table */
	Oid			parent_id;		/* the key of the partitioned table, if inherited */
	char	   *name;
	char		delete_action;	/* as pg_constraint.confdeltype */
	AttrNumber	column;			/* of the referencing table; 0: see foreign_key_is_plain() */
} ForeignKey;

/* Whether the key refers to users.id with one column, whose type is exactly uuid. */
extern bool foreign_key_is_plain(const ForeignKey *key);

/*
 * Take ROW EXCLUSIVE on users until the end of the transaction.  To be called before
 * any row of users is locked.  It waits for transactions that add or drop a foreign
 * key to users, change the type of its column, or attach or detach a partition that
 * has one, and keeps others from doing so.
 */
extern void foreign_keys_hold(void);

/*
 * Return the keys that PostgreSQL enforces, except those of the extension's own
 * tables: a list of ForeignKey.  A partition inherits the keys of its table.  Its own
 * are listed only during DETACH PARTITION CONCURRENTLY, when statements on the
 * partitioned table no longer reach its rows.
 */
extern List *foreign_keys_to_users(void);

/*
 * Called once when the library is loaded.  From then on this backend refuses to create
 * a foreign key to users that is not plain (42804, or 0A000 for another column of
 * users), whatever command creates it.
 */
extern void foreign_keys_init(void);

#endif							/* ANON_AUTH_FOREIGN_KEYS_H */
