/*-------------------------------------------------------------------------
 *
 * route.h
 *	  Routing keys of rows that are not found by their user.
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

/* The route of a row that is found by a text: the first 16 bytes of the text's SHA-256. */
extern pg_uuid_t route_of_text(const char *text);

/* The route of a row that is found by a SHA-256: its first 16 bytes. */
extern pg_uuid_t route_of_hash(const uint8 *hash);

#endif							/* ANON_AUTH_ROUTE_H */
