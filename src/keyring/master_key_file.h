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

#include "keyring/master_key.h"

#define MASTER_KEYS_MAX			8
#define MASTER_KEY_FILE_MAX		4096

/* What is kept of a key: never the key itself. */
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
 * Reads, checks and parses the file; false where there is none.  Raises F0000
 * where it is damaged, too open or cannot be read.
 */
extern bool master_key_file_read(const char *path, MasterKeyFile *file);

/* The place of a key in a list, or -1. */
extern int	master_keys_find(const MasterKeys *keys, const char *id);

/* The id of a key, which is a hash of it. */
extern void master_key_make_id(const uint8 *key, char id[MASTER_KEY_ID_LENGTH + 1]);

/* Whether a line of the file, with or without its end, has a key. */
extern bool master_key_line_has_key(const char *line, size_t length);

/* Makes the file with a first key, unless somebody else was faster. */
extern void master_key_file_make(const char *path);

/*
 * Rewrites the file that was read, with a new key before the others, or without
 * one of them.  It is replaced as a whole: whoever reads it sees the old or the
 * new one, and so does a server that was killed in between.  Raises F0000
 * where the file is not the server's to write, with what to do instead as hint;
 * 53100 on a full disk.
 */
extern void master_key_file_add(const char *path, const MasterKeyFile *file,
								char id[MASTER_KEY_ID_LENGTH + 1]);
extern void master_key_file_remove(const char *path, const MasterKeyFile *file, const char *id);

#endif							/* ANON_AUTH_MASTER_KEY_FILE_H */
