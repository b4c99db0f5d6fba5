/*-------------------------------------------------------------------------
 *
 * new_device_key.h
 *	  Registration of the key that a request has brought along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_NEW_DEVICE_KEY_H
#define ANON_AUTH_NEW_DEVICE_KEY_H

#include "postgres.h"

#include "domain/request_jwt.h"
#include "store/device_keys.h"

/*
 * Fill key with the key of a request that has a jwk, for a user.  name, device_info and
 * of_account are left to the caller.  The challenge of the request counts as used.
 */
extern void new_device_key_init(const RequestJwt *request, const pg_uuid_t *user_id,
								TimestampTz now, DeviceKey *key);

/*
 * Insert the key.  Return false if it is registered already; waits for a concurrent insert
 * of it.  Raises AA005 if the key used the challenge before it was removed from a user.
 */
extern bool new_device_key_insert(const RequestJwt *request, const DeviceKey *key,
								  TimestampTz now);

#endif							/* ANON_AUTH_NEW_DEVICE_KEY_H */
