/*-------------------------------------------------------------------------
 *
 * master_key_rewrite.c
 *	  Making and changing the master key file.
 *
 * A new file is written under another name, synced, and then renamed, so that
 * no process ever reads half a file.  Every change holds one lock for all databases of
 * the server, so that two backends never make the first file at the same time.
 * (link() would also prevent that, but some file systems do not support it.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/xact.h"
#include "base/compat.h"
#include "base/wipe.h"
#include "jose/base64url.h"
#include "keyring/master_key_rewrite.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "token/token.h"

/*
 * The last field of our advisory lock tags.  pg_advisory_lock() uses 1 and 2, so
 * SQL cannot take these locks.  Other values in use: 0x6161 (passwords), 0x6163 and
 * 0x6164 (counters), 0x6165 (password resets).
 */
#define FILE_LOCK_SPACE		0x6162

/* Bytes of a line "id key" with its newline. */
#define LINE_LENGTH \
	(MASTER_KEY_ID_LENGTH + 1 + BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH) + 1)

/* Make a random key, and write its line and its id.  The caller wipes the line. */
static void
make_key_line(char line[LINE_LENGTH], char id[MASTER_KEY_ID_LENGTH + 1])
{
	uint8		key[TOKEN_KEY_LENGTH];

	crypto_kdf_keygen(key);
	master_key_make_id(key, id);
	memcpy(line, id, MASTER_KEY_ID_LENGTH);
	line[MASTER_KEY_ID_LENGTH] = ' ';
	base64url_encode(line + MASTER_KEY_ID_LENGTH + 1, key, sizeof(key));
	line[LINE_LENGTH - 1] = '\n';
	wipe_bytes(key, sizeof(key));
}

/*
 * Write a file that does not exist, with mode 0600 or the mode and group in "like"
 * unless that is NULL.  The content is on disk when this returns.
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

		/* If the group cannot be set to that of "like", the group gets no rights. */
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

static LOCKTAG
file_lock_tag(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, 0, 0, FILE_LOCK_SPACE);
	return tag;
}

bool
master_key_rewrite_lock(bool wait)
{
	LOCKTAG		tag = file_lock_tag();

	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
master_key_rewrite_unlock(void)
{
	LOCKTAG		tag = file_lock_tag();

	(void) LockRelease(&tag, ExclusiveLock, false);
}

/*
 * Replace or make a file, and wipe the content.  The caller holds the lock, so one
 * temporary name is enough.  A temporary file left by a killed server is removed.
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
		wipe_bytes(content, size);
		(void) unlink(temporary);
	}
	PG_END_TRY();
	get_parent_directory(directory);
	fsync_fname(directory, true);
}

void
master_key_rewrite_make(const char *path)
{
	static const char comment[] =
		"# Master key of the PostgreSQL extension anon_auth.\n"
		"# Without this file no token can be signed and no session refreshed:\n"
		"# keep a copy of it apart from the copies of the database.\n";
	char		content[sizeof(comment) - 1 + LINE_LENGTH];
	char		id[MASTER_KEY_ID_LENGTH + 1];
	struct stat st;

	(void) master_key_rewrite_lock(true);
	if (stat(path, &st) == 0 || errno != ENOENT)
	{
		master_key_rewrite_unlock();
		return;
	}
	memcpy(content, comment, sizeof(comment) - 1);
	make_key_line(content + sizeof(comment) - 1, id);
	replace_file(path, NULL, content, sizeof(content));
	master_key_rewrite_unlock();
	ereport(LOG,
			(errmsg("created master key file \"%s\"", path),
			 errhint("Keep a copy of it apart from the copies of the database.")));
}

/* Resolve symbolic links: rename() would replace a link and not its target. */
static char *
resolve_path(const char *path)
{
	char		target[PATH_MAX];

	if (realpath(path, target) == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not resolve the path of master key file \"%s\": %m", path)));
	return pstrdup(target);
}

char *
master_key_rewrite_obstacle(const char *path, const struct stat *st)
{
	char	   *directory;

	if (st->st_uid != geteuid())
		return "It belongs to root.";
	directory = resolve_path(path);
	get_parent_directory(directory);
	if (access(directory, R_OK | W_OK | X_OK) != 0)
		return psprintf("It may not write in directory \"%s\": %s.", directory, strerror(errno));
	return NULL;
}

static void
require_writable(const char *path, const struct stat *st, bool adding)
{
	char	   *obstacle = master_key_rewrite_obstacle(path, st);

	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the server may not change master key file \"%s\"", path),
				 errdetail_internal("%s", obstacle),
				 adding ?
				 errhint("Add a line with a new key before the first key by hand, then call anon_auth.reseal_signing_keys() in each database.") :
				 errhint("Remove the line with the key by hand.")));
}

/* The content of the new file.  It contains secrets: replace_file() wipes it. */
typedef struct NewContent
{
	size_t		size;
	char		bytes[MASTER_KEY_FILE_MAX + LINE_LENGTH + 1 + MASTER_KEY_USER_LINE];
} NewContent;

static void
append_bytes(NewContent *content, const char *bytes, size_t size)
{
	memcpy(content->bytes + content->size, bytes, size);
	content->size += size;
}

/*
 * Append the line of a database.  It is omitted if user replaces it, if the database was
 * dropped, and if it has no key except the removed one.
 */
static void
append_user(NewContent *content, const char *line, size_t length, MasterKeyUser *other,
			const MasterKeyUser *user, const char *removed)
{
	char		text[MASTER_KEY_USER_LINE];

	if (user != NULL && (master_key_user_is_here(other) ||
						 (other->system != user->system &&
						  memcmp(&other->database_id, &user->database_id, UUID_LEN) == 0)))
		return;

	/* After a commit, the catalog cannot be read: the line is kept. */
	if (IsTransactionState() && master_key_user_is_gone(other))
		return;
	if (removed != NULL && master_key_user_needs(other, removed))
	{
		master_key_user_remove(other, removed);
		if (other->count > 0)
			append_bytes(content, text, master_key_user_write(other, text));
		return;
	}
	append_bytes(content, line, length);
}

/*
 * Copy the file with up to three changes.  A NULL argument means no such change:
 * added is a line to insert before the first key, removed is the id of a key to leave
 * out, and user replaces the line of a database.
 */
static void
edit_content(const MasterKeyFile *file, const char *added, const char *removed,
			 const MasterKeyUser *user, NewContent *content)
{
	char		text[MASTER_KEY_USER_LINE];
	MasterKeyUser other;
	const char *line;
	size_t		length;
	size_t		offset = 0;

	content->size = 0;
	while (master_key_file_next_line(file, &offset, &line, &length))
	{
		bool		has_key = master_key_line_has_key(line, length);

		if (has_key && added != NULL)
		{
			append_bytes(content, added, LINE_LENGTH);
			added = NULL;
		}
		if (master_key_user_read(line, length, &other))
			append_user(content, line, length, &other, user, removed);
		else if (!has_key || removed == NULL ||
				 strncmp(line, removed, MASTER_KEY_ID_LENGTH) != 0)
			append_bytes(content, line, length);
	}
	if (user != NULL && user->count > 0)
	{
		if (content->size > 0 && content->bytes[content->size - 1] != '\n')
			append_bytes(content, "\n", 1);
		append_bytes(content, text, master_key_user_write(user, text));
	}
}

static void
log_change(const char *path)
{
	ereport(LOG,
			(errmsg("changed master key file \"%s\"", path),
			 errhint("Copy it to the standby servers and to its backup.")));
}

void
master_key_rewrite_add(const char *path, const MasterKeyFile *file, MasterKeyUser *user,
					   char id[MASTER_KEY_ID_LENGTH + 1])
{
	NewContent	content;
	char		line[LINE_LENGTH];

	require_writable(path, &file->st, true);
	if (file->parsed.count == MASTER_KEYS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("master key file \"%s\" already has the maximum of %d keys",
						path, MASTER_KEYS_MAX),
				 errhint("Call anon_auth.reseal_signing_keys() in each database, then remove the oldest key with anon_auth.retire_master_key('%s').",
						 file->parsed.keys[MASTER_KEYS_MAX - 1].id)));
	make_key_line(line, id);
	master_key_user_add(user, id);
	edit_content(file, line, NULL, user, &content);
	wipe_bytes(line, sizeof(line));
	if (content.size > MASTER_KEY_FILE_MAX)
	{
		wipe_bytes(&content, sizeof(content));
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("master key file \"%s\" cannot be longer than %d bytes",
						path, MASTER_KEY_FILE_MAX),
				 errhint("Shorten its comments.")));
	}
	replace_file(resolve_path(path), &file->st, content.bytes, content.size);
	log_change(path);
}

void
master_key_rewrite_remove(const char *path, const MasterKeyFile *file, const char *id)
{
	NewContent	content;

	require_writable(path, &file->st, false);
	edit_content(file, NULL, id, NULL, &content);
	replace_file(resolve_path(path), &file->st, content.bytes, content.size);
	log_change(path);
}

bool
master_key_rewrite_record(const char *path, const MasterKeyFile *file, const MasterKeyUser *user)
{
	NewContent	content;

	edit_content(file, NULL, NULL, user, &content);
	if (content.size > MASTER_KEY_FILE_MAX)
	{
		wipe_bytes(&content, sizeof(content));
		return false;
	}
	replace_file(resolve_path(path), &file->st, content.bytes, content.size);
	return true;
}
