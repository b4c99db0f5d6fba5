/*-------------------------------------------------------------------------
 *
 * device_keys.h
 *	  The tables anon_auth.device_keys and anon_auth.removed_device_keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DEVICE_KEYS_H
#define ANON_AUTH_DEVICE_KEYS_H

#include "postgres.h"

#include "store/record.h"

/*
 * A device key is identified by its kid and its thumbprint: keys of other devices
 * may have the same kid.  used_challenges is the window of src/token.
 */
#define DEVICE_KEY_COLUMNS(COLUMN) \
	COLUMN(TEXT, kid) \
	COLUMN(TEXT, thumbprint) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, alg) \
	COLUMN(JSONB, jwk) \
	COLUMN(BYTEA, used_challenges)

typedef struct DeviceKey
{
	DEVICE_KEY_COLUMNS(RECORD_FIELD)
} DeviceKey;

/* The route (see route.h) of a key, which its user's id is made to fit. */
extern pg_uuid_t device_keys_route(const char *kid);

/* False if there is no such key. */
extern bool device_keys_find(const char *kid, const char *thumbprint, DeviceKey *key);

/*
 * Find the keys with a kid that registered first, at most DEVICE_KEYS_OF_KID.
 * Return a palloc'd array.
 */
#define DEVICE_KEYS_OF_KID	4
extern DeviceKey *device_keys_find_by_kid(const char *kid, int *count);

/* False if the key is there already.  Waits for a concurrent insert of it. */
extern bool device_keys_insert(const DeviceKey *key, TimestampTz now);

/* False if another transaction changed used_challenges meanwhile, or the key is gone. */
extern bool device_keys_replace_challenges(const DeviceKey *key, bytea *used_challenges,
										   TimestampTz now);

/*
 * A removed key that belonged to a guest of an account.  Such rows are kept as long as
 * the account exists, so that the device can be told to log in to it.
 */
#define ACCOUNT_KEY_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, thumbprint) \
	COLUMN(TEXT, alg) \
	COLUMN(JSONB, jwk)

typedef struct AccountKey
{
	ACCOUNT_KEY_COLUMNS(RECORD_FIELD)
} AccountKey;

/*
 * Delete a guest's key, and keep the challenges that it has used.  account is the
 * account that the guest becomes or is merged into, or NULL.  Does nothing if there is
 * no such key, or if it has signed up again for another user.
 */
extern void device_keys_remove(const char *kid, const pg_uuid_t *user_id,
							   const pg_uuid_t *account, TimestampTz now);

/* The challenges that device_keys_remove() kept, as committed by now, or NULL. */
extern bytea *device_keys_removed_challenges(const DeviceKey *key);

/*
 * Same for removed keys of accounts, those that were removed first: keys that others
 * register with a kid later do not displace them.
 */
extern AccountKey *device_keys_find_removed(const char *kid, int *count);

#endif							/* ANON_AUTH_DEVICE_KEYS_H */
