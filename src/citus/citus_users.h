/*-------------------------------------------------------------------------
 *
 * citus_users.h
 *	  The ids of users, and deleting users, on a Citus cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_USERS_H
#define ANON_AUTH_CITUS_USERS_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* The operations of placement.h. */
extern pg_uuid_t citus_users_new_id(const pg_uuid_t *route, TimestampTz now);
extern ArrayType *citus_users_lock_device_keys(ArrayType *users);
extern void citus_users_delete(ArrayType *users);

#endif							/* ANON_AUTH_CITUS_USERS_H */
