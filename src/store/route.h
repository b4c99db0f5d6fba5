/*-------------------------------------------------------------------------
 *
 * route.h
 *	  Routing keys of rows that are found by something other than their user.
 *
 * Such a table (device keys, login IDs, authorization codes) has a column "route"
 * first in its primary key: 16 bytes of a SHA-256, as a uuid.  Citus can distribute
 * tables by it, since it has the type of users.id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ROUTE_H
#define ANON_AUTH_ROUTE_H

#include "postgres.h"

#include "utils/uuid.h"

/* The route of what is found by a text: the beginning of the text's SHA-256. */
extern pg_uuid_t route_of_text(const char *text);

/* The route of what is found by a SHA-256: the beginning of that. */
extern pg_uuid_t route_of_hash(const uint8 *hash);

#endif							/* ANON_AUTH_ROUTE_H */
