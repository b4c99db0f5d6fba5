/*-------------------------------------------------------------------------
 *
 * distribution.h
 *	  Whether the tables are spread over nodes by Citus.
 *
 * Nearly all statements are the same there.  But Citus plans a statement for
 * its parameters, which tell the node, and locks rows of one shard at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DISTRIBUTION_H
#define ANON_AUTH_DISTRIBUTION_H

#include "postgres.h"

/* Called once when the library is loaded. */
extern void distribution_init(void);

/* Whether anon_auth.distribute() has been called, and undistribute() not since. */
extern bool store_is_distributed(void);

/* By which column Citus has distributed a table, or NULL where it has not. */
extern char *store_distribution_column(Oid relation_id);

#endif							/* ANON_AUTH_DISTRIBUTION_H */
