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

#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Called once when the library is loaded. */
extern void distribution_init(void);

/* Whether anon_auth.distribute() has been called, and undistribute() not since. */
extern bool store_is_distributed(void);

/* By which column Citus has distributed a table, or NULL where it has not. */
extern char *store_distribution_column(Oid relation_id);

/*
 * The id of a new user: a UUIDv7.  Where users are distributed, and the user has
 * something that is found by a route (not NULL: its device key), it is one
 * that belongs to the same shard, so that a call that needs both asks one node.
 */
extern pg_uuid_t new_user_id(const pg_uuid_t *route, TimestampTz now);

#endif							/* ANON_AUTH_DISTRIBUTION_H */
