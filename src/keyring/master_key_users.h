/*-------------------------------------------------------------------------
 *
 * master_key_users.h
 *	  The databases that need the keys of the master key file.
 *
 * All databases of a server have one file, and none can look into another.  So
 * each keeps a line in the file with the keys that its signing keys are sealed
 * with, and retire_master_key() refuses while another database's line has the
 * key.  A line has, after "#database" and separated by spaces:
 *
 * - the system identifier of the server, a slash, and the OID of the database;
 * - settings.database_id;
 * - the ids of the keys, separated by commas;
 * - the name of the database when the line was written, for people.
 *
 * To a reader of keys the line is a comment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_USERS_H
#define ANON_AUTH_MASTER_KEY_USERS_H

#include "postgres.h"

#include "keyring/master_key_file.h"

/* Longest line, with its end and a terminator. */
#define MASTER_KEY_USER_LINE	384

typedef struct MasterKeyUser
{
	uint64		system;			/* identifier of the database's server */
	Oid			database;
	pg_uuid_t	database_id;
	int			count;
	char		key_ids[MASTER_KEYS_MAX][MASTER_KEY_ID_LENGTH + 1];
	char		name[NAMEDATALEN];
} MasterKeyUser;

/* Reads a line, with or without its end.  False for any other line. */
extern bool master_key_user_read(const char *line, size_t length, MasterKeyUser *user);

/* Writes a line with its end, and returns its length. */
extern size_t master_key_user_write(const MasterKeyUser *user, char line[MASTER_KEY_USER_LINE]);

extern bool master_key_user_is_here(const MasterKeyUser *user);

/* Whether it is a database of this server that was dropped.  Reads the catalog. */
extern bool master_key_user_is_gone(const MasterKeyUser *user);

extern bool master_key_user_needs(const MasterKeyUser *user, const char *id);
extern void master_key_user_add(MasterKeyUser *user, const char *id);
extern void master_key_user_remove(MasterKeyUser *user, const char *id);

/* This database as the file records it, without keys where it has no line. */
extern void master_key_users_find_here(const MasterKeyFile *file, const pg_uuid_t *database_id,
									   MasterKeyUser *user);

/* The same with the keys that its signing keys are sealed with, as SQL knows them. */
extern void master_key_users_fill_here(const MasterKeyFile *file, MasterKeyUser *user);

/* The databases that the file names, palloc'd, without those that were dropped. */
extern MasterKeyUser *master_key_users(int *count);

/*
 * Raises 55000 where a database other than this one needs the key, or might need it and
 * had no room for its line.
 */
extern void master_key_users_check_retirement(const char *path, const MasterKeyFile *file,
											  const char *id);

#endif							/* ANON_AUTH_MASTER_KEY_USERS_H */
