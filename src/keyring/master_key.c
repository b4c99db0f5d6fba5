/*-------------------------------------------------------------------------
 *
 * master_key.c
 *	  Reading, checking and first making of the master key file.
 *
 * The file is text.  Lines that begin with # are comments; every other line
 * is a key id and a key: 16 hexadecimal digits, a space, and 32 bytes as
 * base64url.  The first key is the current one, the others are predecessors
 * that still open what they sealed.
 *
 * It is made under another name, synced, and then linked to its own name,
 * which fails where another backend was faster: the file is never half
 * written, and everybody reads the same key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "compat.h"
#include "guc.h"
#include "jose/jose.h"
#include "keyring/master_key.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "store/store.h"
#include "utils/memutils.h"

#define DEFAULT_FILE	"anon_auth.master_key"
#define MAX_KEYS		8
#define MAX_FILE_SIZE	4096
#define KDF_CONTEXT		"anonauth"	/* crypto_kdf_CONTEXTBYTES */

typedef struct MasterKey
{
	char		id[MASTER_KEY_ID_LENGTH + 1];
	uint8		derived[MASTER_KEY_USES][TOKEN_KEY_LENGTH];
} MasterKey;

static struct
{
	int			count;			/* 0: not loaded */
	char	   *path;			/* where from */
	MasterKey	keys[MAX_KEYS];
}			loaded;

static char *
file_path(void)
{
	if (anon_auth_master_key_file != NULL && anon_auth_master_key_file[0] != '\0')
		return pstrdup(anon_auth_master_key_file);
	return psprintf("%s/%s", DataDir, DEFAULT_FILE);
}

static bool
is_default_path(void)
{
	return anon_auth_master_key_file == NULL || anon_auth_master_key_file[0] == '\0';
}

/* Ids of the keys that this database's signing keys need, for messages. */
static char *
needed_key_ids(void)
{
	int			count;
	SigningKeyRow *rows = signing_keys_published(GetCurrentTimestamp(), &count);
	StringInfoData ids;
	int			i;

	initStringInfo(&ids);
	for (i = 0; i < count; i++)
		if (strstr(ids.data, rows[i].master_key_id) == NULL)
			appendStringInfo(&ids, "%s%s", ids.len > 0 ? ", " : "", rows[i].master_key_id);
	return ids.data;
}

pg_noreturn static void
raise_missing(const char *path)
{
	char	   *ids = needed_key_ids();

	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("master key file \"%s\" does not exist", path),
			 ids[0] != '\0' ?
			 errdetail("The signing keys of this database are sealed with master key %s.", ids) : 0,
			 RecoveryInProgress() ?
			 errhint("Copy the file from the primary server.") :
			 errhint("Restore the file from its backup, or set anon_auth.master_key_file to where it is.")));
}

pg_noreturn static void
raise_malformed(const char *path, int line)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("master key file \"%s\" is damaged", path),
			 errdetail("Line %d is not a key id and a key.", line),
			 errhint("Restore the file from its backup.")));
}

static void
key_id(const uint8 *key, char id[MASTER_KEY_ID_LENGTH + 1])
{
	uint8		hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof(hash), key, TOKEN_KEY_LENGTH, NULL, 0);
	sodium_bin2hex(id, MASTER_KEY_ID_LENGTH + 1, hash, MASTER_KEY_ID_LENGTH / 2);
}

static void
derive(MasterKey *master, const uint8 *key)
{
	int			use;

	StaticAssertStmt(TOKEN_KEY_LENGTH == crypto_kdf_KEYBYTES, "key lengths differ");
	key_id(key, master->id);
	for (use = 1; use <= MASTER_KEY_USES; use++)
		crypto_kdf_derive_from_key(master->derived[use - 1], TOKEN_KEY_LENGTH, use,
								   KDF_CONTEXT, key);
}

/* "id key" */
static bool
parse_line(const char *line, size_t length, MasterKey *master)
{
	uint8		key[TOKEN_KEY_LENGTH + 3];
	size_t		key_length = sizeof(key);
	bool		good;

	if (length != MASTER_KEY_ID_LENGTH + 1 + BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH) ||
		line[MASTER_KEY_ID_LENGTH] != ' ')
		return false;
	good = base64url_decode(key, &key_length, line + MASTER_KEY_ID_LENGTH + 1,
							length - MASTER_KEY_ID_LENGTH - 1) == JOSE_OK &&
		key_length == TOKEN_KEY_LENGTH;
	if (good)
	{
		derive(master, key);
		good = memcmp(master->id, line, MASTER_KEY_ID_LENGTH) == 0;
	}
	sodium_memzero(key, sizeof(key));
	return good;
}

static void
parse_file(const char *path, const char *content, size_t size)
{
	const char *line = content;
	const char *end = content + size;
	int			number = 0;
	int			count = 0;

	while (line < end)
	{
		const char *newline = memchr(line, '\n', end - line);
		size_t		length = (newline != NULL ? newline : end) - line;

		number++;
		if (length > 0 && line[0] != '#')
		{
			if (count == MAX_KEYS || !parse_line(line, length, &loaded.keys[count]))
				raise_malformed(path, number);
			count++;
		}
		line += length + 1;
	}
	if (count == 0)
		raise_malformed(path, number + 1);
	loaded.count = count;
}

/*
 * Like a TLS private key, nobody else may read it; but where the whole data
 * directory is open to the server's group, pg_basebackup makes it so too.
 */
static bool
too_open(const struct stat *st)
{
	mode_t		forbidden = S_IWGRP | S_IXGRP | S_IRWXO;

	if (st->st_uid == geteuid() &&
		!(is_default_path() && (data_directory_mode & S_IRGRP) != 0))
		forbidden |= S_IRGRP;
	return (st->st_mode & forbidden) != 0;
}

static void
check_permissions(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat master key file \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key \"%s\" is not a regular file", path)));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" must be owned by the server's user or root", path)));
	if (too_open(&st))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" is readable by others", path),
				 errdetail("File must have permissions u=rw (0600) or less if owned by the server's user, or u=rw,g=r (0640) or less if owned by root."),
				 errhint("Run chmod 600 on it.")));
}

/* False when the file is not there. */
static bool
read_file(const char *path)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	char		content[MAX_FILE_SIZE];
	ssize_t		size;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not open master key file \"%s\": %m", path)));
	}
	check_permissions(path, fd);
	size = read(fd, content, sizeof(content));
	if (size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not read master key file \"%s\": %m", path)));
	CloseTransientFile(fd);

	PG_TRY();
	{
		parse_file(path, content, size);
	}
	PG_FINALLY();
	{
		sodium_memzero(content, sizeof(content));
	}
	PG_END_TRY();
	return true;
}

static void
write_new_key(const char *path, int fd)
{
	uint8		key[TOKEN_KEY_LENGTH];
	char		id[MASTER_KEY_ID_LENGTH + 1];
	char		encoded[BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH) + 1];
	char		content[512];
	int			length;
	bool		written;

	crypto_kdf_keygen(key);
	key_id(key, id);
	encoded[base64url_encode(encoded, key, sizeof(key))] = '\0';
	length = snprintf(content, sizeof(content),
					  "# Master key of the PostgreSQL extension anon_auth.\n"
					  "# Without this file no token can be signed and no session refreshed:\n"
					  "# keep a copy of it apart from the copies of the database.\n"
					  "%s %s\n", id, encoded);
	written = write(fd, content, length) == length;
	sodium_memzero(key, sizeof(key));
	sodium_memzero(encoded, sizeof(encoded));
	sodium_memzero(content, sizeof(content));
	if (!written)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write master key file \"%s\": %m", path)));
	}
}

static void
make_file(const char *path)
{
	char	   *temporary = psprintf("%s.%d.%08x", path, MyProcPid, randombytes_random());
	int			fd = OpenTransientFilePerm(temporary, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY,
										   S_IRUSR | S_IWUSR);

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create master key file \"%s\": %m", temporary)));
	PG_TRY();
	{
		errno = 0;
		write_new_key(temporary, fd);
		if (pg_fsync(fd) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not fsync master key file \"%s\": %m", temporary)));
		CloseTransientFile(fd);
		if (link(temporary, path) != 0 && errno != EEXIST)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create master key file \"%s\": %m", path)));
	}
	PG_FINALLY();
	{
		(void) unlink(temporary);
	}
	PG_END_TRY();
	fsync_fname(DataDir, true);
	ereport(LOG,
			(errmsg("created master key file \"%s\"", path),
			 errhint("Keep a copy of it apart from the copies of the database.")));
}

/*
 * A key is made only where none can be missing: not on a standby, not where
 * signing keys wait for another one, and not at a place that the DBA named.
 */
static void
load(void)
{
	char	   *path = file_path();

	if (loaded.count > 0 && loaded.path != NULL && strcmp(loaded.path, path) == 0)
		return;
	loaded.count = 0;
	sodium_memzero(loaded.keys, sizeof(loaded.keys));
	if (!read_file(path))
	{
		if (!is_default_path() || RecoveryInProgress() || needed_key_ids()[0] != '\0')
			raise_missing(path);
		make_file(path);
		if (!read_file(path))
			raise_missing(path);
	}
	if (loaded.path != NULL)
		pfree(loaded.path);
	loaded.path = NULL;
	loaded.path = MemoryContextStrdup(TopMemoryContext, path);
}

const uint8 *
master_key_derived(MasterKeyUse use, int index)
{
	load();
	return index < loaded.count ? loaded.keys[index].derived[use - 1] : NULL;
}

static const uint8 *
find_derived(MasterKeyUse use, const char *id)
{
	int			i;

	for (i = 0; i < loaded.count; i++)
		if (strcmp(loaded.keys[i].id, id) == 0)
			return loaded.keys[i].derived[use - 1];
	return NULL;
}

const uint8 *
master_key_derived_by_id(MasterKeyUse use, const char *id)
{
	const uint8 *derived;

	load();
	derived = find_derived(use, id);
	if (derived == NULL)
	{
		/* The file may have got a new key since this backend read it. */
		loaded.count = 0;
		load();
		derived = find_derived(use, id);
	}
	if (derived == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" does not contain the required key", loaded.path),
				 errdetail("Needed is master key %s; the file's current one is %s.",
						   id, loaded.keys[0].id),
				 errhint("Restore the master key file that belongs to this database, or add its key as a further line to this one.")));
	return derived;
}

const char *
master_key_current_id(void)
{
	load();
	return loaded.keys[0].id;
}
