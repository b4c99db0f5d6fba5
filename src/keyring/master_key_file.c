/*-------------------------------------------------------------------------
 *
 * master_key_file.c
 *	  Finding, reading and checking the master key file.
 *
 * The file is text.  Empty lines and lines that begin with # are ignored.  Every
 * other line is a key id and a key: 16 hexadecimal digits, a space, and 32 bytes
 * in base64url.  The first key is the current one; the others are former keys that
 * open what they sealed.  Some comments record which databases need which keys
 * (master_key_users.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/xlog.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/wipe.h"
#include "jose/base64url.h"
#include "keyring/master_key_file.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "token/token.h"

#define DEFAULT_FILE	"anon_auth.master_key"
#define KDF_CONTEXT		"anonauth"	/* crypto_kdf_CONTEXTBYTES */

char *
master_key_file_path(void)
{
	if (!master_key_file_is_ours())
		return pstrdup(guc_master_key_file);
	return psprintf("%s/%s", DataDir, DEFAULT_FILE);
}

bool
master_key_file_is_ours(void)
{
	return guc_master_key_file == NULL || guc_master_key_file[0] == '\0';
}

char *
master_key_file_in_data_directory(void)
{
	char		file[PATH_MAX];
	char		directory[PATH_MAX];

	if (realpath(master_key_file_path(), file) == NULL ||
		realpath(DataDir, directory) == NULL ||
		!path_is_prefix_of_path(directory, file))
		return NULL;
	return pstrdup(file);
}

int
master_keys_find(const MasterKeys *keys, const char *id)
{
	int			i;

	for (i = 0; i < keys->count; i++)
		if (strcmp(keys->keys[i].id, id) == 0)
			return i;
	return -1;
}

void
master_key_make_id(const uint8 *key, char id[MASTER_KEY_ID_LENGTH + 1])
{
	uint8		hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof(hash), key, TOKEN_KEY_LENGTH, NULL, 0);
	sodium_bin2hex(id, MASTER_KEY_ID_LENGTH + 1, hash, MASTER_KEY_ID_LENGTH / 2);
}

/* Derive the keys for all uses; the master key itself is not kept. */
static void
derive_keys(MasterKey *master, const uint8 *key)
{
	int			use;

	StaticAssertStmt(TOKEN_KEY_LENGTH == crypto_kdf_KEYBYTES, "key lengths differ");
	master_key_make_id(key, master->id);
	for (use = 1; use <= MASTER_KEY_USES; use++)
		crypto_kdf_derive_from_key(master->derived[use - 1], TOKEN_KEY_LENGTH, use,
								   KDF_CONTEXT, key);
}

void
master_keys_bind(MasterKeys *keys, const pg_uuid_t *database_id)
{
	int			i;
	int			use;

	for (i = 0; i < keys->count; i++)
	{
		for (use = 0; use < MASTER_KEY_USES; use++)
		{
			uint8		bound[TOKEN_KEY_LENGTH];

			crypto_generichash(bound, TOKEN_KEY_LENGTH, database_id->data, UUID_LEN,
							   keys->keys[i].derived[use], TOKEN_KEY_LENGTH);
			memcpy(keys->keys[i].derived[use], bound, TOKEN_KEY_LENGTH);
			wipe_bytes(bound, sizeof(bound));
		}
	}
}

/*
 * Parse "id key" without a newline.  The id must be that of the key, which detects
 * a damaged line.  Returns NULL, or what is wrong, without the content of the line.
 */
static const char *
parse_key_line(const char *line, size_t length, MasterKey *master)
{
	uint8		key[TOKEN_KEY_LENGTH + 3];
	size_t		key_length = sizeof(key);
	const char *problem = NULL;

	if (length > 0 && line[length - 1] == '\r')
		return "it ends with a carriage return";
	if (length != MASTER_KEY_ID_LENGTH + 1 + BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH))
		return psprintf("it has %zu bytes, not %d", length,
						MASTER_KEY_ID_LENGTH + 1 + (int) BASE64URL_ENCODED_LENGTH(TOKEN_KEY_LENGTH));
	if (line[MASTER_KEY_ID_LENGTH] != ' ')
		return psprintf("byte %d is not a space", MASTER_KEY_ID_LENGTH + 1);
	if (base64url_decode(key, &key_length, line + MASTER_KEY_ID_LENGTH + 1,
						 length - MASTER_KEY_ID_LENGTH - 1) != JOSE_OK ||
		key_length != TOKEN_KEY_LENGTH)
		problem = "the key is not base64url";
	else
	{
		derive_keys(master, key);
		if (memcmp(master->id, line, MASTER_KEY_ID_LENGTH) != 0)
			problem = "the id is not that of the key";
	}
	wipe_bytes(key, sizeof(key));
	return problem;
}

bool
master_key_line_has_key(const char *line, size_t length)
{
	return length > 0 && line[0] != '#' && line[0] != '\n';
}

bool
master_key_file_next_line(const MasterKeyFile *file, size_t *offset,
						  const char **line, size_t *length)
{
	const char *newline;

	if (*offset >= file->size)
		return false;
	*line = file->content + *offset;
	newline = memchr(*line, '\n', file->size - *offset);
	*length = newline != NULL ? newline + 1 - *line : file->size - *offset;
	*offset += *length;
	return true;
}

pg_noreturn static void
raise_damaged(const char *path, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("master key file \"%s\" is damaged", path),
			 errdetail_internal("%s", detail),
			 errhint("Restore the file from its backup.")));
}

static void
parse_keys(const char *path, MasterKeyFile *file)
{
	MasterKeys *keys = &file->parsed;
	const char *line;
	const char *problem;
	size_t		length;
	size_t		offset = 0;
	int			number = 0;

	keys->count = 0;
	while (master_key_file_next_line(file, &offset, &line, &length))
	{
		number++;
		if (!master_key_line_has_key(line, length))
			continue;
		if (line[length - 1] == '\n')
			length--;
		if (keys->count == MASTER_KEYS_MAX)
			raise_damaged(path, psprintf("Line %d has one more key than the maximum of %d.",
										 number, MASTER_KEYS_MAX));
		problem = parse_key_line(line, length, &keys->keys[keys->count]);
		if (problem != NULL)
			raise_damaged(path, psprintf("Line %d is not a key id and a key: %s.", number, problem));
		keys->count++;
	}
	if (keys->count == 0)
		raise_damaged(path, "It has no line with a key.");
}

/*
 * The rules are those of PostgreSQL for TLS private keys, with one exception: if
 * the group may read the data directory, pg_basebackup makes copies of the file in
 * it readable by the group, too.
 */
static bool
is_too_open(const struct stat *st)
{
	mode_t		forbidden = S_IWGRP | S_IXGRP | S_IRWXO;

	if (st->st_uid == geteuid() &&
		!(master_key_file_is_ours() && (data_directory_mode & S_IRGRP) != 0))
		forbidden |= S_IRGRP;
	return (st->st_mode & forbidden) != 0;
}

/* The name of the operating system user that runs the server. */
static const char *
server_user(void)
{
	struct passwd *user = getpwuid(geteuid());

	return user != NULL ? user->pw_name : psprintf("%u", (unsigned) geteuid());
}

char *
master_key_file_proposed_path(void)
{
	return psprintf("/etc/anon_auth/" UINT64_FORMAT "/master_key", GetSystemIdentifier());
}

/* install(1) would overwrite the key of another server. */
char *
master_key_file_copy_commands(const char *path)
{
	const char *user = server_user();
	char	   *target = master_key_file_proposed_path();
	char	   *directory = pnstrdup(target, strrchr(target, '/') - target);

	return psprintf("test ! -e %s && install -d -m 700 -o '%s' %s && install -m 600 -o '%s' '%s' %s && echo copied",
					target, user, directory, user, path, target);
}

/* Return the first directory of a path that the server may not enter, or NULL. */
static char *
closed_directory(const char *path)
{
	char	   *directory = pstrdup(path);
	char	   *slash;

	for (slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
	{
		*slash = '\0';
		if (access(directory, X_OK) != 0)
			return directory;
		*slash = '/';
	}
	return NULL;
}

/* errno says why the file could not be opened. */
pg_noreturn static void
raise_cannot_open(const char *path)
{
	int			reason = errno;
	const char *directory = reason == EACCES ? closed_directory(path) : NULL;
	const char *user = server_user();

	errno = reason;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not open master key file \"%s\": %m", path),
			 reason != EACCES ? 0 :
			 directory != NULL ?
			 errdetail("The server runs as user \"%s\", who may not enter directory \"%s\".", user, directory) :
			 errdetail("The server runs as user \"%s\", who may not read the file.", user),
			 reason != EACCES ? 0 :
			 directory != NULL ?
			 errhint("As root, run: %s. When it has printed \"copied\", set anon_auth.master_key_file to '%s'.",
					 master_key_file_copy_commands(path), master_key_file_proposed_path()) :
			 errhint("As root, run: chown '%s' '%s' && chmod 600 '%s'", user, path, path)));
}

static void
check_permissions(const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key \"%s\" is not a regular file", path),
				 errhint("Restore the file from its backup to this path, or set anon_auth.master_key_file to its path.")));
	if (st->st_uid != geteuid() && st->st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" must be owned by the server's user or root", path),
				 errhint("As root, run: chown '%s' '%s' && chmod 600 '%s'", server_user(), path, path)));
	if (is_too_open(st))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" is readable by others", path),
				 errdetail("The file must have permissions u=rw (0600) or less if owned by the server's user, or u=rw,g=r (0640) or less if owned by root."),
				 st->st_uid == 0 && geteuid() != 0 ?
				 errhint("As root, run: chmod 640 '%s'", path) :
				 errhint("As the server's user or root, run: chmod 600 '%s'", path)));
}

bool
master_key_file_read(const char *path, MasterKeyFile *file)
{
	int			fd;
	ssize_t		size;

	/* A relative path would lead into the data directory, where every copy has the key. */
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" has a relative path", path),
				 errhint("anon_auth.master_key_file must be an absolute path.")));
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		raise_cannot_open(path);
	}
	if (fstat(fd, &file->st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat master key file \"%s\": %m", path)));
	check_permissions(path, &file->st);
	size = read(fd, file->content, sizeof(file->content));
	if (size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not read master key file \"%s\": %m", path)));
	CloseTransientFile(fd);

	file->size = size;
	PG_TRY();
	{
		/* The rest could contain keys, and a rewritten file would lack them. */
		if (file->st.st_size > MASTER_KEY_FILE_MAX)
			raise_damaged(path, psprintf("It is longer than %d bytes.", MASTER_KEY_FILE_MAX));
		parse_keys(path, file);
	}
	PG_CATCH();
	{
		wipe_bytes(file, sizeof(MasterKeyFile));
		PG_RE_THROW();
	}
	PG_END_TRY();
	return true;
}
