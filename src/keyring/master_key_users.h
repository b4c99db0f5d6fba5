/*-------------------------------------------------------------------------
 *
 * master_key_users.h
 *	  The databases that need the keys of the master key file.
 *
 * All databases of a server share one file, and no database can look into
 * another one.  Each database therefore keeps a line in the file with the keys
 * that its signing keys are sealed with.  retire_master_key() refuses to remove a
 * key that the line of another database has.  After "#database", a line has these
 * fields, separated by spaces:
 *
 * - the system identifier of the server, a slash, and the OID of the database;
 * - settings.database_id;
 * - the ids of the keys, separated by commas;
 * - the name of the database when the line was written, for people who read it.
 *
 * For code that reads keys, the line is a comment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_USERS_H
#define ANON_AUTH_MASTER_KEY_USERS_H

#include "postgres.h"

#include "keyring/master_key_file.h"

/* Bytes of the longest line, with its newline and a terminator. */
#define MASTER_KEY_USER_LINE	384

typedef struct MasterKeyUser
{
	uint64		system;			/* system identifier of the server */
	Oid			database;
	pg_uuid_t	database_id;
	int			count;
	char		key_ids[MASTER_KEYS_MAX][MASTER_KEY_ID_LENGTH + 1];
	char		name[NAMEDATALEN];
} MasterKeyUser;

/*
 * Read a line, with or without its newline.  Returns false for any other line;
 * user is then undefined.
 */
extern bool master_key_user_read(const char *line, size_t length, MasterKeyUser *user);

/* Write a line with its newline, and return its length. */
extern size_t master_key_user_write(const MasterKeyUser *user, char line[MASTER_KEY_USER_LINE]);

/* True if it is the database of this backend. */
extern bool master_key_user_is_here(const MasterKeyUser *user);

/* True if it was a database of this server and is dropped.  Reads the catalog. */
extern bool master_key_user_is_gone(const MasterKeyUser *user);

/* True if the line has the key.  Add the key, or remove it, if need be. */
extern bool master_key_user_needs(const MasterKeyUser *user, const char *id);
extern void master_key_user_add(MasterKeyUser *user, const char *id);
extern void master_key_user_remove(MasterKeyUser *user, const char *id);

/*
 * Find the line of this database, without keys that the file no longer has.  If
 * there is none, user has no keys.
 */
extern void master_key_users_find_here(const MasterKeyFile *file, const pg_uuid_t *database_id,
									   MasterKeyUser *user);

/*
 * Return the databases that the file names, palloc'd, without those that were
 * dropped.  Raises F0000 as master_key_file_read().
 */
extern MasterKeyUser *master_key_users(int *count);

/*
 * Raise 55000 if a database other than this one needs the key, or may need it
 * because the file has no room for another line.
 */
extern void master_key_users_check_retirement(const char *path, const MasterKeyFile *file,
											  const char *id);

#endif							/* ANON_AUTH_MASTER_KEY_USERS_H */
