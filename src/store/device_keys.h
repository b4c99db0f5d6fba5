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
#include "store/users.h"

/*
 * A device key is identified by its kid and its thumbprint: keys of other devices
 * may have the same kid.  Of one user, a kid is enough.  used_challenges is the window of
 * src/token.  name and device_info can be NULL, and are for keys of accounts.
 */
#define DEVICE_KEY_COLUMNS(COLUMN) \
	COLUMN(TEXT, kid) \
	COLUMN(TEXT, thumbprint) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, alg) \
	COLUMN(JSONB, jwk) \
	COLUMN(BOOL, of_account)	/* false: of a guest */ \
	COLUMN(TEXT, name) \
	COLUMN(JSONB, device_info) \
	COLUMN(BYTEA, used_challenges)

#define DEVICE_KEY_ROW_COLUMNS(COLUMN) \
	DEVICE_KEY_COLUMNS(COLUMN) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, last_used_at)

/* The times are 0 unless device_keys_of() has read the row. */
typedef struct DeviceKey
{
	DEVICE_KEY_ROW_COLUMNS(RECORD_FIELD)
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

/* The keys of an account, palloc'd, the oldest first. */
extern DeviceKey *device_keys_of(const User *user, int *count);

/* False if the key is there already.  Waits for a concurrent insert of it. */
extern bool device_keys_insert(const DeviceKey *key, TimestampTz now);

/*
 * False if another transaction changed used_challenges meanwhile, or the key is gone or
 * has been given to an account.
 */
extern bool device_keys_replace_challenges(const DeviceKey *key, bytea *used_challenges,
										   TimestampTz now);

/* Replace the name and the device_info of a user's key; NULL: keep it. */
extern void device_keys_describe(const char *kid, const pg_uuid_t *user_id, const char *name,
								 Jsonb *device_info);

/* Make a guest's key, which the caller holds, a key of the account that the guest becomes. */
extern void device_keys_give_to_account(const char *kid, const pg_uuid_t *user_id,
										Jsonb *device_info);

/*
 * A removed key that belonged to an account or to a guest of it.  Such rows are kept as
 * long as the account exists, so that the device can be told to log in to it.
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
 * Delete a user's key, and keep the challenges that it has used.  account is the account
 * that has the key, or that its guest becomes or is merged into; NULL: its user is deleted.
 * Does nothing if there is no such key, or if it has signed up again for another user.
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
