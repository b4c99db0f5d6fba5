/*-------------------------------------------------------------------------
 *
 * master_key_recording.c
 *	  Keeping this database's line in the master key file (master_key_users.h).
 *
 * The file does not know transactions, so the line errs on the side of too many
 * keys.  A key is in it before a row is sealed with it; keys that are not
 * needed any more leave it after the transaction that sealed the rows again has
 * committed.  If the server is killed in between, the next call of
 * reseal_signing_keys() takes them out.
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
#include "keyring/master_key_users.h"
#include "miscadmin.h"
#include "store/store.h"

/* The key that all rows are sealed with when the transaction commits. */
static struct
{
	bool		pending;
	SubTransactionId subtransaction;
	char		id[MASTER_KEY_ID_LENGTH + 1];
}			resealed;

void
master_key_users_fill_here(const MasterKeyFile *file, MasterKeyUser *user)
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

/* Writes this database's line if the server may.  The caller holds the lock. */
static void
record(void *arg)
{
	char	   *path = master_key_file_path();
	MasterKeyFile file;
	MasterKeyUser user;

	if (!master_key_file_read(path, &file))
		return;
	PG_TRY();
	{
		if (master_key_file_obstacle(path, &file.st) == NULL)
		{
			master_key_users_fill_here(&file, &user);
			master_key_user_add(&user, file.parsed.keys[0].id);
			if (master_key_file_record(path, &file, &user))
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
	(void) master_key_file_lock(true);

	/* Another database may have rotated the key meanwhile. */
	master_key_check_again();
	if (!master_key_is_recorded(master_key_current_id()))
		record(NULL);
	(void) master_key_current_id();
	master_key_file_unlock();
}

/*
 * A row may have come with a dump, or with a copy of the database.  A client
 * waits for this call, so it waits for nobody, fails for nothing, and tries once.
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
	if (!master_key_file_lock(false))
		return;
	error = subtransaction_try(record, NULL);
	if (error != NULL)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not record in the master key file that this database uses it: %s",
						error->message)));
	master_key_file_unlock();
}

/*
 * Takes the former keys out of this database's line.  The transaction has committed:
 * its locks are still held, but the catalog cannot be read, and nothing may be raised.
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
			master_key_file_obstacle(path, &file.st) == NULL)
		{
			master_key_users_find_here(&file, &database_id, &user);
			if (user.count > 1 && master_key_user_needs(&user, resealed.id))
			{
				user.count = 0;
				master_key_user_add(&user, resealed.id);
				(void) master_key_file_record(path, &file, &user);
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
end_transaction(XactEvent event, void *arg)
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
end_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
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
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	resealed.pending = true;
	resealed.subtransaction = GetCurrentSubTransactionId();
	snprintf(resealed.id, sizeof(resealed.id), "%s", id);
}
