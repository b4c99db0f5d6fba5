/*-------------------------------------------------------------------------
 *
 * signing_keys.h
 *	  The table anon_auth.signing_keys: the database's own keys, sealed with a
 *	  master key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SIGNING_KEYS_H
#define ANON_AUTH_SIGNING_KEYS_H

#include "postgres.h"

#include "store/cached_table.h"
#include "store/record.h"

/* Enough to tell whether a cached key is still right. */
#define SIGNING_KEY_STATE_COLUMNS(COLUMN) \
	COLUMN(TEXT, kid) \
	COLUMN(TEXT, alg) \
	COLUMN(TEXT, state)				/* active, retiring, retired */ \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, signs_from) \
	COLUMN(TIMESTAMP, retiring_since) \
	COLUMN(TIMESTAMP_OR_NEVER, verify_until)

#define SIGNING_KEY_COLUMNS(COLUMN) \
	SIGNING_KEY_STATE_COLUMNS(COLUMN) \
	COLUMN(JSONB, public_jwk) \
	COLUMN(BYTEA, sealed_private_key) \
	COLUMN(TEXT, master_key_id)

/* Where only the state was read, the other fields are zero. */
typedef struct SigningKeyRow
{
	SIGNING_KEY_COLUMNS(RECORD_FIELD)
} SigningKeyRow;

/*
 * Read the state of a key.  stamp is that of the rows, or NULL if they are not kept, here and
 * in the next two functions.  False if there is no such key.
 */
extern bool signing_keys_find_state(const char *kid, const CacheStamp *stamp, SigningKeyRow *key);

/* Same for the whole row. */
extern bool signing_keys_find(const char *kid, const CacheStamp *stamp, SigningKeyRow *key);

/*
 * Read the state of the key that signs at a time: of those that can sign, the one that
 * began last.  If none has begun, the one that begins first.  False if no key can sign.
 * until is when another key can begin to sign although no row is written: the first time
 * after now at which a key begins or stops to sign, infinite if there is none.  It may be NULL.
 */
extern bool signing_keys_find_signer(TimestampTz now, const CacheStamp *stamp,
									 SigningKeyRow *signer, TimestampTz *until);

/* Read the state of the active key that begins to sign last.  False if none is active. */
extern bool signing_keys_find_newest(SigningKeyRow *key);

/* Insert a key without retiring_since and verify_until.  False if its kid exists. */
extern bool signing_keys_insert(const SigningKeyRow *key);

/* Active keys, and retiring ones that still verify, the newest first; palloc'd. */
extern SigningKeyRow *signing_keys_published(TimestampTz now, int *count);

/*
 * Make all active keys except one retiring.  They sign until a time, and verify until
 * another.  Keys that were to sign for longer because of an earlier rotation as well.
 */
extern void signing_keys_begin_retiring(const char *kid, TimestampTz since,
										TimestampTz verify_until);

/*
 * Make the retiring key active again that would sign for longest.  Does nothing if all
 * retiring keys have stopped signing.
 */
extern void signing_keys_resume(TimestampTz now);

/* Let a key sign from a time on. */
extern void signing_keys_set_signs_from(const char *kid, TimestampTz signs_from);

/* Make retiring keys that verify no longer retired. */
extern void signing_keys_end_retiring(TimestampTz now);

/* Make a key retired now.  False if there is no such key. */
extern bool signing_keys_retire(const char *kid);

/* Whether there is any key, in any state. */
extern bool signing_keys_exist(void);

/* Keys sealed with another master key than the given one, in any state; palloc'd. */
extern SigningKeyRow *signing_keys_not_sealed_with(const char *key_id, int *count);

/* Count the keys that a master key has sealed, with a snapshot of this moment. */
extern uint64 signing_keys_sealed_with(const char *key_id);

/* Store sealed_private_key and master_key_id of a key. */
extern void signing_keys_reseal(const SigningKeyRow *key);

/* The ids of the master keys that seal signing keys, each once. */
extern StringList signing_keys_sealed_by(void);

/*
 * Take a SHARE ROW EXCLUSIVE lock until the end of the transaction: one transaction at
 * a time decides whether a first key is needed.
 */
extern void signing_keys_lock(void);

/* Take a ROW EXCLUSIVE lock; it conflicts with signing_keys_lock(). */
extern void signing_keys_lock_for_insert(void);

/* Whether this transaction has changed rows, and could still be rolled back. */
extern bool signing_keys_changed_here(void);

#endif							/* ANON_AUTH_SIGNING_KEYS_H */
