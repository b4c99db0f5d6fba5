/*-------------------------------------------------------------------------
 *
 * master_key_file.h
 *	  The file of master keys: finding, reading, checking and writing it.
 *
 * Only for the files of src/keyring that keep and rotate master keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_FILE_H
#define ANON_AUTH_MASTER_KEY_FILE_H

#include "postgres.h"

#include <sys/stat.h>

#include "base/limits.h"
#include "keyring/master_key.h"
#include "token/token.h"
#include "utils/uuid.h"

/*
 * What is kept of a key: never the key itself.  The derived keys are the same
 * in all databases of the server until master_keys_bind() has made them this
 * database's.
 */
typedef struct MasterKey
{
	char		id[MASTER_KEY_ID_LENGTH + 1];
	uint8		derived[MASTER_KEY_USES][TOKEN_KEY_LENGTH];
} MasterKey;

typedef struct MasterKeys
{
	int			count;
	MasterKey	keys[MASTER_KEYS_MAX];	/* the current one first */
} MasterKeys;

/* The file as it was read.  Holds secrets: wipe it. */
typedef struct MasterKeyFile
{
	struct stat st;
	size_t		size;
	char		content[MASTER_KEY_FILE_MAX];
	MasterKeys	parsed;
} MasterKeyFile;

/* Where the file is, palloc'd. */
extern char *master_key_file_path(void);

/* Whether that is the data directory, where the extension makes it. */
extern bool master_key_file_is_ours(void);

/*
 * Whether the file, or what a symbolic link there leads to, is below the data
 * directory, and so in every copy of it.  False where there is no file.
 */
extern bool master_key_file_in_data_directory(void);

/*
 * Reads, checks and parses the file; false where there is none.  Raises F0000
 * where it is damaged, too open or cannot be read.
 */
extern bool master_key_file_read(const char *path, MasterKeyFile *file);

/*
 * Replaces the derived keys by keys that only the database with this id has.
 */
extern void master_keys_bind(MasterKeys *keys, const pg_uuid_t *database_id);

/* The place of a key in a list, or -1. */
extern int	master_keys_find(const MasterKeys *keys, const char *id);

/* The id of a key, which is a hash of it. */
extern void master_key_make_id(const uint8 *key, char id[MASTER_KEY_ID_LENGTH + 1]);

/* Whether a line of the file, with or without its end, has a key. */
extern bool master_key_line_has_key(const char *line, size_t length);

/*
 * The line at an offset, with its end where it has one; moves the offset behind
 * it.  False at the end of the file.
 */
extern bool master_key_file_next_line(const MasterKeyFile *file, size_t *offset,
									  const char **line, size_t *length);

/*
 * Take and release the lock that everybody holds who makes or changes the file.
 * It is one for all databases of the server, and ends with the transaction.  False
 * if it is not free and the caller does not want to wait.
 */
extern bool master_key_file_lock(bool wait);
extern void master_key_file_unlock(void);

/* Makes the file with a first key, unless somebody else was faster. */
extern void master_key_file_make(const char *path);

/* Why the server may not change the file, or NULL if it may. */
extern char *master_key_file_obstacle(const char *path, const struct stat *st);

struct MasterKeyUser;

/*
 * Rewrite the file that was read: with a new key before the others, without one of
 * them, or with the same keys.  user, unless NULL, takes the place of this
 * database's line (master_key_users.h).  The file is replaced as a whole: whoever
 * reads it sees the old or the new one, and so does a server that was killed in
 * between.  Raise F0000 where the file is not the server's to write, with what to
 * do instead as hint; 53100 on a full disk.  master_key_file_record() is false
 * where there is no room for the line.
 */
extern void master_key_file_add(const char *path, const MasterKeyFile *file,
								struct MasterKeyUser *user, char id[MASTER_KEY_ID_LENGTH + 1]);
extern void master_key_file_remove(const char *path, const MasterKeyFile *file, const char *id);
extern bool master_key_file_record(const char *path, const MasterKeyFile *file,
								   const struct MasterKeyUser *user);

#endif							/* ANON_AUTH_MASTER_KEY_FILE_H */
