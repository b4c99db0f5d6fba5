/*-------------------------------------------------------------------------
 *
 * master_key_rotation.c
 *	  Putting a new master key in the place of the current one, and taking
 *	  former ones away.
 *
 * The file is changed at once and stays changed, whatever becomes of the
 * transaction; the signing keys are sealed anew within the transaction.  In
 * whatever instant that is rolled back or the server is killed, the file has
 * the key that each signing key is sealed with, because
 *
 * - the file with the new key is on disk before any row needs it, and lists the
 *   former keys still.  A rotation that was rolled back leaves a new current
 *   key, and rows that the former one opens;
 *
 * - a key is taken out only when no database's line in the file has it (see
 *   master_key_users.h), unless forced, and when no row needs it whose change could still be
 *   undone: not by this transaction (signing_keys_changed_here()), not by
 *   another (the locks), and not by a crash that loses a commit
 *   (ForceSyncCommit()).
 *
 * Who comes here takes the lock of the table first, then that of the file,
 * which is one for all databases of the server.  Both last until the end of the
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "keyring/keyring.h"
#include "keyring/master_key_users.h"
#include "keyring/sealing.h"
#include "store/placement.h"

static void
lock_keys_and_file(void)
{
	signing_keys_lock();
	(void) master_key_file_lock(true);
	settings_require_current_id();

	/* Somebody may have changed it while this one waited. */
	master_key_check_again();
}

/* Reads the file for a change; its content holds secrets. */
static void
read_file(const char *path, MasterKeyFile *file)
{
	/* This makes the first one, and knows what to say where one is missing. */
	(void) master_key_current_id();
	if (!master_key_file_read(path, file))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" does not exist", path)));
}

static int
reseal(void)
{
	int			count;
	SigningKeyRow *rows = signing_keys_not_sealed_with(master_key_current_id(), &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		sealing_reseal_key(&rows[i]);
		signing_keys_reseal(&rows[i]);
	}

	/* Once this is committed, the former key may be taken out of the file. */
	if (count > 0)
		ForceSyncCommit();
	master_key_record_at_commit(master_key_current_id());
	return count;
}

int
keyring_reseal(void)
{
	lock_keys_and_file();
	master_key_record_before_sealing();
	return reseal();
}

/* No new key is made for signing keys that could not be sealed with it. */
static void
check_all_can_be_opened(void)
{
	int			count;
	SigningKeyRow *rows = signing_keys_not_sealed_with("", &count);
	int			i;

	for (i = 0; i < count; i++)
		sealing_check_key(&rows[i]);
}

char *
keyring_rotate_master_key(void)
{
	char	   *path = master_key_file_path();
	char	   *id = palloc0(MASTER_KEY_ID_LENGTH + 1);
	MasterKeyFile file;
	MasterKeyUser user;

	lock_keys_and_file();
	check_all_can_be_opened();
	read_file(path, &file);
	PG_TRY();
	{
		master_key_users_fill_here(&file, &user);
		master_key_file_add(path, &file, &user, id);
	}
	PG_FINALLY();
	{
		wipe_bytes(&file, sizeof(file));
	}
	PG_END_TRY();
	master_key_check_again();
	(void) reseal();
	placement_current()->master_key_rotated();
	return id;
}

static void
check_can_be_retired(const char *path, const MasterKeys *keys, const char *id)
{
	int			index = master_keys_find(keys, id);
	uint64		sealed;

	if (index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("master key file \"%s\" has no key with this id", path),
				 errhint("anon_auth.master_key_ids() lists them.")));
	if (index == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key %s is the current one", id),
				 errhint("Call anon_auth.rotate_master_key() first.")));
	sealed = signing_keys_sealed_with(id);
	if (sealed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key %s is still needed", id),
				 errdetail_plural("It seals %llu signing key of this database.",
								  "It seals %llu signing keys of this database.",
								  sealed, (unsigned long long) sealed),
				 errhint("Call anon_auth.reseal_signing_keys() first.")));
}

/*
 * All private parts are opened before the id changes and sealed after it.  Rows that
 * are not seen would be lost, so that an old snapshot will not do.
 */
char *
keyring_renew_database_id(void)
{
	char	   *text = palloc(UUID_TEXT_LENGTH + 1);
	pg_uuid_t	id;
	SigningKeyRow *rows;
	OpenedPrivateKey *opened;
	int			count;
	int			i;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the database id can be renewed at READ COMMITTED only")));
	lock_keys_and_file();
	rows = signing_keys_not_sealed_with("", &count);
	opened = palloc(sizeof(OpenedPrivateKey) * Max(count, 1));
	PG_TRY();
	{
		for (i = 0; i < count; i++)
			sealing_open_key(&rows[i], &opened[i]);
		id = settings_renew_database_id();
		master_key_record_before_sealing();
		for (i = 0; i < count; i++)
		{
			sealing_seal_opened_key(&rows[i], &opened[i]);
			signing_keys_reseal(&rows[i]);
		}
	}
	PG_FINALLY();
	{
		wipe_bytes(opened, sizeof(OpenedPrivateKey) * count);
	}
	PG_END_TRY();
	master_key_record_at_commit(master_key_current_id());
	uuid_to_text(&id, text);
	return text;
}

void
keyring_retire_master_key(const char *id, bool force)
{
	char	   *path = master_key_file_path();
	MasterKeyFile file;

	/* If that is rolled back, its rows may need the key again. */
	if (signing_keys_changed_here())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a master key cannot be retired in a transaction that has changed signing keys"),
				 errhint("Commit it, then call anon_auth.retire_master_key().")));
	lock_keys_and_file();
	read_file(path, &file);
	PG_TRY();
	{
		check_can_be_retired(path, &file.parsed, id);
		if (!force)
			master_key_users_check_retirement(path, &file, id);
		master_key_file_remove(path, &file, id);
	}
	PG_FINALLY();
	{
		wipe_bytes(&file, sizeof(file));
	}
	PG_END_TRY();
	master_key_check_again();
}
