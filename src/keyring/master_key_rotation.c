/*-------------------------------------------------------------------------
 *
 * master_key_rotation.c
 *	  Changing the master key, and the id of the database.
 *
 * The file changes at once and stays changed, even if the transaction is rolled
 * back.  The signing keys are sealed again within the transaction.  At every
 * instant of a rollback or a crash, the file has the key that each signing key is
 * sealed with:
 *
 * - The file with the new key is on disk before a row needs that key, and still
 *   has the former keys.  After a rollback the new key is the current one, and the
 *   former key opens the rows.
 *
 * - Unless forced, a key is removed only if no line in the file has it (see
 *   master_key_users.h).  In addition no row may need it again: not after a
 *   rollback of this transaction (signing_keys_changed_here()) or of another one
 *   (the locks), and not after a crash that loses a commit (ForceSyncCommit()).
 *
 * Lock order: the table of signing keys, then the file.  Both locks last until the
 * end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "keyring/master_key_recording.h"
#include "keyring/master_key_rewrite.h"
#include "keyring/master_key_rotation.h"
#include "keyring/sealing.h"
#include "store/placement.h"
#include "store/settings.h"
#include "store/signing_keys.h"

static void
lock_keys_and_file(void)
{
	signing_keys_lock();
	(void) master_key_rewrite_lock(true);
	settings_require_current_id();

	/* Another transaction may have changed the file while this one waited. */
	master_key_check_again();
}

/* Read the file to change it.  The caller wipes it. */
static void
read_file(const char *path, MasterKeyFile *file)
{
	/* This makes a first file, or raises the error with the best hint. */
	(void) master_key_current_id();
	if (!master_key_file_read(path, file))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" does not exist", path)));
}

/* Seal all rows with the current key, and return how many were not. */
static int
reseal_all(void)
{
	int			count;
	SigningKeyRow *rows = signing_keys_not_sealed_with(master_key_current_id(), &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		sealing_reseal_key(&rows[i]);
		signing_keys_reseal(&rows[i]);
	}

	/* After the commit somebody may remove the former key, so it must not be lost. */
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
	return reseal_all();
}

/* Check this before a new key is made: a key that cannot be opened cannot be resealed. */
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
		master_key_record_collect(&file, &user);
		master_key_rewrite_add(path, &file, &user, id);
	}
	PG_FINALLY();
	{
		wipe_bytes(&file, sizeof(file));
	}
	PG_END_TRY();
	master_key_check_again();
	(void) reseal_all();
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
				 errhint("Call anon_auth.master_key_ids() to list its keys.")));
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
 * Open all private parts before the id changes, and seal them afterwards.  A row
 * that this transaction does not see would be lost, so an old snapshot is refused.
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
				 errmsg("the database id can only be renewed at isolation level READ COMMITTED")));
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

	/* After a rollback its rows would need the key again. */
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
		master_key_rewrite_remove(path, &file, id);
	}
	PG_FINALLY();
	{
		wipe_bytes(&file, sizeof(file));
	}
	PG_END_TRY();
	master_key_check_again();
}
