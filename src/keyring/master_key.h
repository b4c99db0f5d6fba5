/*-------------------------------------------------------------------------
 *
 * master_key.h
 *	  The master key, and the keys that are derived from it.
 *
 * The master key protects all other secrets of the extension.  It is used only
 * to derive a key for each use and database (crypto_kdf, and BLAKE2b keyed with
 * settings.database_id).  The file lists the current master key first and then
 * former ones, which still open what they sealed.
 *
 * Except where the comments say otherwise, functions look once per statement
 * whether the file has changed, and read it again if it has.  They raise F0000
 * if it is missing, damaged, too open or cannot be read.  If the file is missing
 * in the data directory and nothing was sealed yet, they make it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_H
#define ANON_AUTH_MASTER_KEY_H

#include "postgres.h"

#include "token/token.h"
#include "utils/uuid.h"

/* Hexadecimal digits of a key's id. */
#define MASTER_KEY_ID_LENGTH	16

/*
 * What a derived key is for.  The numbers go into the derivation: if one changes,
 * everything made for that use becomes invalid.
 */
typedef enum MasterKeyUse
{
	MASTER_KEY_CHALLENGE = 1,
	MASTER_KEY_PROMOTION_CODE = 2,
	MASTER_KEY_REFRESH_TOKEN = 3,
	MASTER_KEY_SEALING = 4,
	MASTER_KEY_SESSION_COOKIE = 5,
	MASTER_KEY_AUTHORIZATION_REQUEST = 6,
	MASTER_KEY_ONE_TIME_CODE = 7,
	MASTER_KEY_OUTBOX = 8,
	MASTER_KEY_BROWSER_FLOWS = 9,
	MASTER_KEY_LOGIN_CODE = 10,
	MASTER_KEY_APP_SESSION_TOKEN = 11,
	MASTER_KEY_APP_SESSION = 12,
	MASTER_KEY_SETTINGS_ACTION = 13,
	MASTER_KEY_SETTINGS_ACTION_CODE = 14,
	MASTER_KEY_FORM_OWNER = 15,
	MASTER_KEY_LOGIN_HINT = 16,
	MASTER_KEY_PASSKEY_CHALLENGE = 17
} MasterKeyUse;

#define MASTER_KEY_USES	17

/*
 * Return the key of TOKEN_KEY_LENGTH bytes that is derived for a use from the
 * master key at an index: 0 is the current one.  NULL after the last one.  Valid
 * until the next call.
 */
extern const uint8 *master_key_derived(MasterKeyUse use, int index);

/* The same for a master key of this id.  Raises F0000 if the file does not have it. */
extern const uint8 *master_key_derived_by_id(MasterKeyUse use, const char *id);

/* The id of the current master key.  Valid until the next call. */
extern const char *master_key_current_id(void);

/* The id of the master key at an index; NULL after the last one. */
extern const char *master_key_id_at(int index);

/* True if there is a file.  Does not read it and never makes it. */
extern bool master_key_exists(void);

/* Read the file again at the next call, even within this statement. */
extern void master_key_check_again(void);

/* True if the file's line of this database has a key (master_key_users.h). */
extern bool master_key_is_recorded(const char *id);

/*
 * The database id that the derived keys are for.  Does not look at the file: for
 * the end of a transaction, when the catalog cannot be read.
 */
extern pg_uuid_t master_key_database_id(void);

#endif							/* ANON_AUTH_MASTER_KEY_H */
