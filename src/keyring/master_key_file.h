/*-------------------------------------------------------------------------
 *
 * master_key_file.h
 *	  Finding, reading and checking the master key file.
 *
 * Only for the files of src/keyring.
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
 * The keys derived from a master key; the master key itself is not kept.  They
 * are the same in all databases of the server until master_keys_bind() replaces
 * them by keys of one database.
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

/* The file as it was read.  It contains secrets: the caller wipes it. */
typedef struct MasterKeyFile
{
	struct stat st;
	size_t		size;
	char		content[MASTER_KEY_FILE_MAX];
	MasterKeys	parsed;
} MasterKeyFile;

/* The palloc'd path of the file. */
extern char *master_key_file_path(void);

/*
 * True if anon_auth.master_key_file is not set: the file is in the data directory,
 * and the extension makes it.
 */
extern bool master_key_file_is_ours(void);

/*
 * The palloc'd path of the file if it is below the data directory after symbolic
 * links are resolved, so that every copy of the directory contains it.  NULL if it
 * is not, or if there is no file.
 */
extern char *master_key_file_in_data_directory(void);

/*
 * A palloc'd path outside the data directory.  Servers on one machine have different
 * ones, except a server and its physical copies.
 */
extern char *master_key_file_proposed_path(void);

/*
 * The palloc'd shell commands by which root copies the file at a path to the proposed
 * path.  They print "copied", unless there is a file already.
 */
extern char *master_key_file_copy_commands(const char *path);

/*
 * Read, check and parse the file.  Returns false if there is none.  Raises F0000
 * if its path is relative, if it is damaged, has permissions that are too open, or
 * cannot be read; file is then wiped.
 */
extern bool master_key_file_read(const char *path, MasterKeyFile *file);

/* Replace the derived keys by keys that only the database with this id has. */
extern void master_keys_bind(MasterKeys *keys, const pg_uuid_t *database_id);

/* The index of a key, or -1. */
extern int	master_keys_find(const MasterKeys *keys, const char *id);

/* Write the id of a key, which is the beginning of its hash in hexadecimal. */
extern void master_key_make_id(const uint8 *key, char id[MASTER_KEY_ID_LENGTH + 1]);

/* True if a line of the file, with or without its newline, has a key. */
extern bool master_key_line_has_key(const char *line, size_t length);

/*
 * Get the line at an offset, with its newline if it has one, and move the offset
 * to the next line.  Returns false at the end of the file.
 */
extern bool master_key_file_next_line(const MasterKeyFile *file, size_t *offset,
									  const char **line, size_t *length);

#endif							/* ANON_AUTH_MASTER_KEY_FILE_H */
