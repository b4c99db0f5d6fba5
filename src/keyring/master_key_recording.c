/*-------------------------------------------------------------------------
 *
 * master_key_recording.c
 *	  Keeping the line of this database in the master key file up to date.
 *
 * The file is not transactional, so the line can have too many keys but never too
 * few.  A key is recorded before a row is sealed with it.  A key that is no longer
 * needed is removed after the transaction that sealed the rows again has committed.
 * If the server is killed before that, the next call of reseal_signing_keys()
 * removes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/subtransaction.h"
#include "base/wipe.h"
#include "commands/dbcommands.h"
#include "keyring/master_key_recording.h"
#include "keyring/master_key_rewrite.h"
#include "miscadmin.h"
#include "store/settings.h"
#include "store/signing_keys.h"

/* Set by master_key_record_at_commit(): the key that seals all rows then. */
static struct
{
	bool		pending;
	SubTransactionId subtransaction;
	char		id[MASTER_KEY_ID_LENGTH + 1];
}			resealed;

void
master_key_record_collect(const MasterKeyFile *file, MasterKeyUser *user)
{
	pg_uuid_t	database_id = settings_get()->database_id;
	char	   *name = get_database_name(MyDatabaseId);
	StringList	ids = signing_keys_sealed_by();
	int			i;

	master_key_users_find_here(file, &database_id, user);
	snprintf(user->name, NAMEDATALEN, "%s", name != NULL ? name : "");
	for (i = 0; i < ids.count; i++)
		if (master_keys_find(&file->parsed, ids.items[i]) >= 0)
			master_key_user_add(user, ids.items[i]);
}

/*
 * Write the line of this database, with the current key, if the server may.  The
 * caller holds the lock of the file.  Can run as a SubtransactionAction.
 */
static void
write_line(void *arg)
{
	char	   *path = master_key_file_path();
	MasterKeyFile file;
	MasterKeyUser user;

	if (!master_key_file_read(path, &file))
		return;
	PG_TRY();
	{
		if (master_key_rewrite_obstacle(path, &file.st) == NULL)
		{
			master_key_record_collect(&file, &user);
			master_key_user_add(&user, file.parsed.keys[0].id);
			if (master_key_rewrite_record(path, &file, &user))
				ereport(DEBUG1,
						(errmsg_internal("recorded in master key file \"%s\" that database \"%s\" uses it",
										 path, user.name)));
			else
				ereport(LOG,
						(errmsg("master key file \"%s\" has no room to record that database \"%s\" uses it",
								path, user.name)));
		}
	}
	PG_FINALLY();
	{
		wipe_bytes(&file, sizeof(file));
	}
	PG_END_TRY();
	master_key_check_again();
}

void
master_key_record_before_sealing(void)
{
	if (master_key_is_recorded(master_key_current_id()))
		return;
	(void) master_key_rewrite_lock(true);

	/* Another database may have rotated the key before the lock was free. */
	master_key_check_again();
	if (!master_key_is_recorded(master_key_current_id()))
		write_line(NULL);
	(void) master_key_current_id();
	master_key_rewrite_unlock();
}

/*
 * A key can be missing in the line if the row came with a dump or a copy of the
 * database.  Since clients wait for the caller, this function tries once per
 * backend and key, does not wait for the lock, and raises no error.
 */
void
master_key_record_opened(const char *id)
{
	static char tried[MASTER_KEY_ID_LENGTH + 1];
	ErrorData  *error;

	if (master_key_is_recorded(id) || strcmp(tried, id) == 0 ||
		RecoveryInProgress() || IsInParallelMode())
		return;
	snprintf(tried, sizeof(tried), "%s", id);
	if (!master_key_rewrite_lock(false))
		return;
	error = subtransaction_try(write_line, NULL);
	if (error != NULL)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not record in the master key file that this database needs it: %s",
						error->message)));
	master_key_rewrite_unlock();
}

/*
 * Remove the former keys from the line of this database.  Called after the commit:
 * the locks of the transaction are still held, but the catalog cannot be read, and
 * an error would be a PANIC.
 */
static void
forget_former_keys(void)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *path = master_key_file_path();
	pg_uuid_t	database_id = master_key_database_id();
	MasterKeyFile file;
	MasterKeyUser user;

	PG_TRY();
	{
		if (master_key_file_read(path, &file) &&
			master_key_rewrite_obstacle(path, &file.st) == NULL)
		{
			master_key_users_find_here(&file, &database_id, &user);
			if (user.count > 1 && master_key_user_needs(&user, resealed.id))
			{
				user.count = 0;
				master_key_user_add(&user, resealed.id);
				(void) master_key_rewrite_record(path, &file, &user);
			}
		}
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	wipe_bytes(&file, sizeof(file));
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!resealed.pending)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		resealed.pending = false;
		forget_former_keys();
	}
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		resealed.pending = false;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (!resealed.pending || resealed.subtransaction != id)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		resealed.subtransaction = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		resealed.pending = false;
}

void
master_key_record_at_commit(const char *id)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	resealed.pending = true;
	resealed.subtransaction = GetCurrentSubTransactionId();
	snprintf(resealed.id, sizeof(resealed.id), "%s", id);
}
