/*-------------------------------------------------------------------------
 *
 * master_key_recording.h
 *	  Keeping the line of this database in the master key file up to date.
 *
 * The line says which master keys this database needs (master_key_users.h).  If
 * the server may not write the file, these functions record nothing and raise
 * nothing about it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_RECORDING_H
#define ANON_AUTH_MASTER_KEY_RECORDING_H

#include "postgres.h"

#include "keyring/master_key_users.h"

/*
 * To be called before a row is sealed: record that this database needs the current
 * master key.  Waits for the lock of the file.  Raises F0000 as
 * master_key_derived(), and the error of the system call if writing fails.
 */
extern void master_key_record_before_sealing(void);

/*
 * To be called after a secret of a row was opened with a key: record that this
 * database needs the key, unless another backend holds the lock of the file.
 * Never waits.  A failure is only logged.
 */
extern void master_key_record_opened(const char *id);

/*
 * To be called when all rows are locked and sealed with this key: if the
 * transaction commits, record that this database needs no other key.
 */
extern void master_key_record_at_commit(const char *id);

/*
 * Collect what is to be recorded: the keys that the file has recorded for this
 * database, and those that its signing keys are sealed with.  Reads the table.
 */
extern void master_key_record_collect(const MasterKeyFile *file, MasterKeyUser *user);

#endif							/* ANON_AUTH_MASTER_KEY_RECORDING_H */
