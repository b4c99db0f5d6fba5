/*-------------------------------------------------------------------------
 *
 * master_key.c
 *	  The derived keys of this database, cached in this backend.
 *
 * A pooled connection can live for weeks while keys are added and removed.  So each
 * statement that needs a key compares the status of the file once with the status when
 * the file was read.  Master keys themselves are wiped after derivation.
 *
 * All databases of a server share one file.  Derived keys also depend on the
 * database id, so that a database accepts no token or code of another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/xlog.h"
#include "base/compat.h"
#include "base/wipe.h"
#include "keyring/master_key_rewrite.h"
#include "store/owner_scope.h"
#include "store/settings.h"
#include "store/signing_keys.h"
#include "store/statement_stamp.h"
#include "utils/memutils.h"

/* Longer than one tick of the clock of any file system. */
#define SETTLED_SECONDS	2

#ifdef __APPLE__
#define st_mtim	st_mtimespec
#define st_ctim	st_ctimespec
#endif

static struct
{
	MasterKeys	keys;			/* count 0: not loaded */
	char	   *path;			/* of the file that was read */
	pg_uuid_t	database_id;	/* the id that the keys are derived for */
	MasterKeyUser here;			/* the file's line of this database */
	struct stat st;				/* of the file when it was read */
	bool		settled;		/* the file had not changed just before it was read */
	StatementStamp stamp;		/* statement that last checked the file */
}			loaded;

/*
 * Return the ids of the master keys that seal the signing keys of this database, as a
 * list for messages; an empty string if there are none.  Reads the table as its owner,
 * because callers may be in a function that is not SECURITY DEFINER.
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
raise_file_missing(const char *path)
{
	char	   *ids = needed_key_ids();

	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("master key file \"%s\" does not exist", path),
			 ids[0] != '\0' ?
			 errdetail("The signing keys of this database are sealed with master key %s.", ids) : 0,
			 RecoveryInProgress() ?
			 errhint("Copy the file from the primary server.") :
			 master_key_file_is_ours() ?
			 errhint("Restore the file from its backup, or set anon_auth.master_key_file to its path.") :
			 errhint("Restore the file from its backup, or correct anon_auth.master_key_file. If the file is lost for good, first write a new key to this path: see \"If the master key is lost for good\" in docs/operations.md.")));
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/*
 * Return true if the file at a path is the one that was read.  The time of the last
 * status change also reveals a chmod, which may let other users read the file, and new
 * content under an old modification time.
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
 * Read the file and replace the content of "loaded".  Returns false if there is no file.
 * In this case, and if the file cannot be read, the keys in "loaded" are unchanged.
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
	 * If a file is changed twice within one tick of the file system's clock, its
	 * status is the same after both changes.  So a file that was changed just now
	 * is read again by the next statement.
	 */
	loaded.settled = time(NULL) - file.st.st_ctim.tv_sec >= SETTLED_SECONDS;
	wipe_bytes(&file, sizeof(file));
	return true;
}

/*
 * Make sure that "loaded" is up to date.
 *
 * A missing file is made only if no key can be lost by making it: not on a standby, not
 * if signing keys are sealed with a master key, and not at a path that the administrator
 * has set.
 */
static void
load_keys(void)
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
				raise_file_missing(path);
			master_key_rewrite_make(path);
			if (!read_keys(path, &database_id))
				raise_file_missing(path);
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
	load_keys();
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
	load_keys();
	return index < loaded.keys.count ? loaded.keys.keys[index].derived[use - 1] : NULL;
}

const uint8 *
master_key_derived_by_id(MasterKeyUse use, const char *id)
{
	int			index;

	load_keys();
	index = master_keys_find(&loaded.keys, id);
	if (index < 0)
	{
		/* The key may have been added after this statement checked the file. */
		master_key_check_again();
		load_keys();
		index = master_keys_find(&loaded.keys, id);
	}
	if (index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" does not contain the required key", loaded.path),
				 errdetail("Master key %s is required; the current key of the file is %s.",
						   id, loaded.keys.keys[0].id),
				 errhint("Restore the master key file that belongs to this database, or add its key as a further line to this one.")));
	return loaded.keys.keys[index].derived[use - 1];
}

const char *
master_key_current_id(void)
{
	load_keys();
	return loaded.keys.keys[0].id;
}

const char *
master_key_id_at(int index)
{
	load_keys();
	return index < loaded.keys.count ? loaded.keys.keys[index].id : NULL;
}

bool
master_key_exists(void)
{
	struct stat st;

	return stat(master_key_file_path(), &st) == 0;
}
