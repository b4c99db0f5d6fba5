/*-------------------------------------------------------------------------
 *
 * master_key_rewrite.c
 *	  Making and changing the master key file.
 *
 * It is written under another name, synced, and then put in its place under
 * its own: the file is never half written, and everybody reads the same keys.
 * The first one is linked to its name, which fails where another backend was
 * faster.  Later ones replace it by renaming; their callers wait for each
 * other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "compat.h"
#include "jose/jose.h"
#include "keyring/master_key_file.h"
#include "miscadmin.h"
#include "storage/fd.h"

/* "id key\n" */
#define LINE_LENGTH \
	(MASTER_KEY_ID_LENGTH + 1 + BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH) + 1)

/* Writes a line with a new key, and its id. */
static void
new_line(char line[LINE_LENGTH], char id[MASTER_KEY_ID_LENGTH + 1])
{
	uint8		key[TOKEN_KEY_LENGTH];

	crypto_kdf_keygen(key);
	master_key_make_id(key, id);
	memcpy(line, id, MASTER_KEY_ID_LENGTH);
	line[MASTER_KEY_ID_LENGTH] = ' ';
	base64url_encode(line + MASTER_KEY_ID_LENGTH + 1, key, sizeof(key));
	line[LINE_LENGTH - 1] = '\n';
	sodium_memzero(key, sizeof(key));
}

/*
 * Writes a file that does not exist yet, readable by nobody else.  Its content
 * is on disk when this returns.
 */
static void
write_file(const char *path, const char *content, size_t size, const struct stat *like)
{
	int			fd = OpenTransientFilePerm(path, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY,
										   S_IRUSR | S_IWUSR);

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create master key file \"%s\": %m", path)));
	errno = 0;
	if (write(fd, content, size) != size)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write master key file \"%s\": %m", path)));
	}
	if (like != NULL)
	{
		mode_t		mode = like->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);

		/* The group may read it only if it is the group that could before. */
		if (fchown(fd, (uid_t) -1, like->st_gid) != 0)
			mode &= ~S_IRWXG;
		if (fchmod(fd, mode) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set permissions of file \"%s\": %m", path)));
	}
	if (pg_fsync(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync master key file \"%s\": %m", path)));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close master key file \"%s\": %m", path)));
}

void
master_key_file_make(const char *path)
{
	static const char comment[] =
		"# Master key of the PostgreSQL extension anon_auth.\n"
		"# Without this file no token can be signed and no session refreshed:\n"
		"# keep a copy of it apart from the copies of the database.\n";
	char	   *temporary = psprintf("%s.%d.%08x", path, MyProcPid, randombytes_random());
	char		content[sizeof(comment) - 1 + LINE_LENGTH];
	char		id[MASTER_KEY_ID_LENGTH + 1];

	memcpy(content, comment, sizeof(comment) - 1);
	new_line(content + sizeof(comment) - 1, id);
	PG_TRY();
	{
		write_file(temporary, content, sizeof(content), NULL);
		if (link(temporary, path) != 0 && errno != EEXIST)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create master key file \"%s\": %m", path)));
	}
	PG_FINALLY();
	{
		sodium_memzero(content, sizeof(content));
		(void) unlink(temporary);
	}
	PG_END_TRY();
	fsync_fname(DataDir, true);
	ereport(LOG,
			(errmsg("created master key file \"%s\"", path),
			 errhint("Keep a copy of it apart from the copies of the database.")));
}

pg_noreturn static void
raise_not_ours(const char *path, const char *reason, bool adding)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("the server may not change master key file \"%s\"", path),
			 errdetail_internal("%s", reason),
			 adding ?
			 errhint("Change it by hand: put a line with a new key before its first key, then call anon_auth.reseal_signing_keys() in each database.") :
			 errhint("Take the line with the key out by hand.")));
}

/*
 * What renaming replaces: the file itself, not a symbolic link to it.  Raises
 * where that cannot be done.
 */
static char *
find_target(const char *path, const struct stat *st, bool adding)
{
	char		target[PATH_MAX];
	char	   *directory;

	if (st->st_uid != geteuid())
		raise_not_ours(path, "It belongs to root.", adding);
	if (realpath(path, target) == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not resolve the path of master key file \"%s\": %m", path)));
	directory = pstrdup(target);
	get_parent_directory(directory);
	if (access(directory, R_OK | W_OK | X_OK) != 0)
		raise_not_ours(path, psprintf("It may not write in directory \"%s\": %s.", directory,
									  strerror(errno)), adding);
	return pstrdup(target);
}

/*
 * Only one backend at a time comes here, so one temporary name is enough, and
 * what a server that was killed has left under it is taken away.  Wipes the
 * content.
 */
static void
replace_file(const char *target, const struct stat *like, char *content, size_t size)
{
	char	   *directory = pstrdup(target);
	char	   *temporary = psprintf("%s.new", target);

	PG_TRY();
	{
		(void) unlink(temporary);
		write_file(temporary, content, size, like);
		if (rename(temporary, target) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not rename file \"%s\" to \"%s\": %m", temporary, target)));
	}
	PG_FINALLY();
	{
		sodium_memzero(content, size);
		(void) unlink(temporary);
	}
	PG_END_TRY();
	get_parent_directory(directory);
	fsync_fname(directory, true);
	ereport(LOG,
			(errmsg("changed master key file \"%s\"", target),
			 errhint("Copy it to the standby servers and to its backup.")));
}

/* Copies the lines of a file but those of a key; returns how many bytes. */
static size_t
copy_without(char *result, const MasterKeyFile *file, const char *id)
{
	const char *line = file->content;
	const char *end = file->content + file->size;
	size_t		size = 0;

	while (line < end)
	{
		const char *newline = memchr(line, '\n', end - line);
		size_t		length = newline != NULL ? newline + 1 - line : end - line;

		if (!(master_key_line_has_key(line, length) &&
			  strncmp(line, id, MASTER_KEY_ID_LENGTH) == 0))
		{
			memcpy(result + size, line, length);
			size += length;
		}
		line += length;
	}
	return size;
}

/* Where the first line with a key begins; a file that was read has one. */
static size_t
first_key_offset(const MasterKeyFile *file)
{
	size_t		offset = 0;

	while (!master_key_line_has_key(file->content + offset, file->size - offset))
	{
		const char *newline = memchr(file->content + offset, '\n', file->size - offset);

		offset = newline + 1 - file->content;
	}
	return offset;
}

void
master_key_file_add(const char *path, const MasterKeyFile *file,
					char id[MASTER_KEY_ID_LENGTH + 1])
{
	char		content[MASTER_KEY_FILE_MAX + LINE_LENGTH];
	size_t		before = first_key_offset(file);
	char	   *target = find_target(path, &file->st, true);

	if (file->parsed.count == MASTER_KEYS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("master key file \"%s\" has %d keys, and cannot have more",
						path, MASTER_KEYS_MAX),
				 errhint("Call anon_auth.reseal_signing_keys() in each database, then take the oldest key out with anon_auth.retire_master_key('%s').",
						 file->parsed.keys[MASTER_KEYS_MAX - 1].id)));
	if (file->size + LINE_LENGTH > MASTER_KEY_FILE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("master key file \"%s\" cannot be longer than %d bytes",
						path, MASTER_KEY_FILE_MAX),
				 errhint("Shorten its comments.")));

	memcpy(content, file->content, before);
	new_line(content + before, id);
	memcpy(content + before + LINE_LENGTH, file->content + before, file->size - before);
	replace_file(target, &file->st, content, file->size + LINE_LENGTH);
}

void
master_key_file_remove(const char *path, const MasterKeyFile *file, const char *id)
{
	char		content[MASTER_KEY_FILE_MAX];
	char	   *target = find_target(path, &file->st, false);

	replace_file(target, &file->st, content, copy_without(content, file, id));
}
