/*-------------------------------------------------------------------------
 *
 * master_key.h
 *	  The secret that all other secrets of the extension hang on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_H
#define ANON_AUTH_MASTER_KEY_H

#include "postgres.h"

#include "token/token.h"
#include "utils/uuid.h"

/* Hexadecimal digits of a key's id, which is a hash of the key. */
#define MASTER_KEY_ID_LENGTH	16

/* What a derived key is for; the numbers are forever. */
typedef enum MasterKeyUse
{
	MASTER_KEY_CHALLENGE = 1,
	MASTER_KEY_PROMOTION_CODE = 2,
	MASTER_KEY_REFRESH_TOKEN = 3,
	MASTER_KEY_SEALING = 4,
	MASTER_KEY_SESSION_COOKIE = 5,
	MASTER_KEY_AUTHORIZATION_REQUEST = 6,
	MASTER_KEY_ONE_TIME_CODE = 7,
	MASTER_KEY_OUTBOX = 8
} MasterKeyUse;

#define MASTER_KEY_USES	8

/*
 * A key of TOKEN_KEY_LENGTH bytes derived for a use and for this database, by
 * settings.database_id.  index 0 is the current
 * master key; higher ones are its predecessors that the file still lists.
 * NULL past the last.  Follows the file, at which it looks once a
 * statement, and makes it in the data directory where none can be missing.
 * Raises F0000 when it cannot be had.  Valid until the next call.
 */
extern const uint8 *master_key_derived(MasterKeyUse use, int index);

/* Same by key id; raises F0000 when the file has no such key. */
extern const uint8 *master_key_derived_by_id(MasterKeyUse use, const char *id);
extern const char *master_key_current_id(void);

/* The id of the key at an index, as master_key_derived() counts; NULL past the last. */
extern const char *master_key_id(int index);

/* Return whether there is a file, without making one. */
extern bool master_key_exists(void);

/* The file may have changed since this statement looked: look again. */
extern void master_key_check_again(void);

/* Whether the file's line of this database has a key (master_key_users.h). */
extern bool master_key_is_recorded(const char *id);

/* Which database the derived keys are for, without looking. */
extern pg_uuid_t master_key_database_id(void);

/*
 * ---- the line of this database in the file (master_key_recording.c) ----
 *
 * Where the server may not write the file, nothing is recorded, and nothing is
 * raised for it.
 */

/* Before a row is sealed: the current key stays in the file from now on. */
extern void master_key_record_before_sealing(void);

/* After a row's secret was opened with a key: the same, if it is easily done. */
extern void master_key_record_opened(const char *id);

/*
 * All rows are sealed with this key, and locked: if the transaction commits, the
 * line has no other.
 */
extern void master_key_record_at_commit(const char *id);

#endif							/* ANON_AUTH_MASTER_KEY_H */
