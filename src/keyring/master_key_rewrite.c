/*-------------------------------------------------------------------------
 *
 * master_key_rewrite.c
 *	  Making the master key file.
 *
 * It is written under another name, synced, and then linked to its own, which
 * fails where another backend was faster: the file is never half written, and
 * everybody reads the same key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

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
write_file(const char *path, const char *content, size_t size)
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
		write_file(temporary, content, sizeof(content));
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
