/*-------------------------------------------------------------------------
 *
 * master_key.c
 *	  The master keys as this backend has them.
 *
 * They are kept from one statement to the next, and once a statement that
 * needs them the file is asked whether it is still the one they came from: a
 * pooled connection may live for weeks, and keys come and go meanwhile.
 *
 * All databases of a server have one file.  A derived key depends on the
 * database's id too, so that a database accepts nothing that another one made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/xlog.h"
#include "base/compat.h"
#include "base/wipe.h"
#include "keyring/master_key_users.h"
#include "store/owner_scope.h"
#include "store/statement_stamp.h"
#include "store/store.h"
#include "utils/memutils.h"

/* Coarser than any file system's clock. */
#define SETTLED_SECONDS	2

#ifdef __APPLE__
#define st_mtim	st_mtimespec
#define st_ctim	st_ctimespec
#endif

static struct
{
	MasterKeys	keys;			/* count 0: not loaded */
	char	   *path;			/* where from */
	pg_uuid_t	database_id;	/* which the derived keys are for */
	MasterKeyUser here;			/* its line in the file */
	struct stat st;				/* of the file at that time */
	bool		settled;		/* it had not been changed just before */
	StatementStamp stamp;		/* when that was last checked */
}			loaded;

/*
 * Ids of the keys that this database's signing keys need, for messages.  The
 * caller may be a function that runs as its caller.
 */
static char *
needed_key_ids(void)
{
	OwnerScope scope;
	int			count;
	SigningKeyRow *rows;
	StringInfoData ids;
	int			i;

	owner_scope_enter(&scope);
	rows = signing_keys_published(GetCurrentTimestamp(), &count);
	owner_scope_leave(&scope);
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

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/*
 * Whether the file at a path is the one that was loaded.  The time of its last
 * status change tells of a chmod, which may have opened it to others, and of a
 * content that was put in place with its old modification time.
 */
static bool
is_unchanged(const char *path)
{
	struct stat st;

	return loaded.settled && stat(path, &st) == 0 &&
		st.st_dev == loaded.st.st_dev && st.st_ino == loaded.st.st_ino &&
		st.st_size == loaded.st.st_size &&
		same_time(&st.st_mtim, &loaded.st.st_mtim) &&
		same_time(&st.st_ctim, &loaded.st.st_ctim);
}

/*
 * Takes over what was read, and nothing where it could not be: what is loaded
 * is replaced as a whole or not at all.
 */
static bool
read_keys(const char *path, const pg_uuid_t *database_id)
{
	MasterKeyFile file;
	char	   *kept_path;

	if (!master_key_file_read(path, &file))
		return false;
	if (loaded.path == NULL || strcmp(loaded.path, path) != 0)
	{
		kept_path = MemoryContextStrdup(TopMemoryContext, path);
		if (loaded.path != NULL)
			pfree(loaded.path);
		loaded.path = kept_path;
	}
	master_key_users_find_here(&file, database_id, &loaded.here);
	master_keys_bind(&file.parsed, database_id);
	memcpy(&loaded.keys, &file.parsed, sizeof(MasterKeys));
	loaded.database_id = *database_id;
	loaded.st = file.st;

	/*
	 * A file that is changed twice within one tick of the file system's clock
	 * looks the same after the second time.  So one that has just been
	 * changed is read again.
	 */
	loaded.settled = time(NULL) - file.st.st_ctim.tv_sec >= SETTLED_SECONDS;
	wipe_bytes(&file, sizeof(file));
	return true;
}

/*
 * A key is made only where none can be missing: not on a standby, not where
 * signing keys wait for another one, and not at a place that the DBA named.
 */
static void
load(void)
{
	pg_uuid_t	database_id = settings_get_as_owner()->database_id;
	char	   *path = master_key_file_path();
	bool		same_keys = loaded.keys.count > 0 && strcmp(loaded.path, path) == 0 &&
		memcmp(&loaded.database_id, &database_id, UUID_LEN) == 0;

	if (!same_keys || !statement_stamp_holds(&loaded.stamp))
	{
		if (!(same_keys && is_unchanged(path)) && !read_keys(path, &database_id))
		{
			if (!master_key_file_is_ours() || RecoveryInProgress() ||
				needed_key_ids()[0] != '\0')
				raise_missing(path);
			master_key_file_make(path);
			if (!read_keys(path, &database_id))
				raise_missing(path);
		}
		statement_stamp_set(&loaded.stamp);
	}
	pfree(path);
}

void
master_key_check_again(void)
{
	loaded.stamp.changed = true;
	loaded.settled = false;
}

bool
master_key_is_recorded(const char *id)
{
	load();
	return master_key_user_needs(&loaded.here, id);
}

pg_uuid_t
master_key_database_id(void)
{
	return loaded.database_id;
}

const uint8 *
master_key_derived(MasterKeyUse use, int index)
{
	load();
	return index < loaded.keys.count ? loaded.keys.keys[index].derived[use - 1] : NULL;
}

const uint8 *
master_key_derived_by_id(MasterKeyUse use, const char *id)
{
	int			index;

	load();
	index = master_keys_find(&loaded.keys, id);
	if (index < 0)
	{
		/* It may have come since this statement looked. */
		master_key_check_again();
		load();
		index = master_keys_find(&loaded.keys, id);
	}
	if (index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" does not contain the required key", loaded.path),
				 errdetail("Needed is master key %s; the file's current one is %s.",
						   id, loaded.keys.keys[0].id),
				 errhint("Restore the master key file that belongs to this database, or add its key as a further line to this one.")));
	return loaded.keys.keys[index].derived[use - 1];
}

const char *
master_key_current_id(void)
{
	load();
	return loaded.keys.keys[0].id;
}

const char *
master_key_id(int index)
{
	load();
	return index < loaded.keys.count ? loaded.keys.keys[index].id : NULL;
}

bool
master_key_exists(void)
{
	struct stat st;

	return stat(master_key_file_path(), &st) == 0;
}
