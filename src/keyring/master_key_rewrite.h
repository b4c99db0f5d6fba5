/*-------------------------------------------------------------------------
 *
 * master_key_rewrite.h
 *	  Making and changing the master key file.
 *
 * Only for the files of src/keyring.  The file is replaced as a whole: a reader
 * sees the old or the new file, also after a crash.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_REWRITE_H
#define ANON_AUTH_MASTER_KEY_REWRITE_H

#include "postgres.h"

#include "keyring/master_key_users.h"

/*
 * Take and release the lock of the file.  Every backend that makes or changes the file
 * holds it.  There is one lock for all databases of the server; it is released at the
 * end of the transaction at the latest.  If wait is false and another backend holds the
 * lock, master_key_rewrite_lock() returns false.
 */
extern bool master_key_rewrite_lock(bool wait);
extern void master_key_rewrite_unlock(void);

/*
 * Make the file with a first key, unless it exists by the time the lock is taken.
 * Raises the error of the system call if that fails (42501, 53100, ...).
 */
extern void master_key_rewrite_make(const char *path);

/*
 * Return why the server may not change the file, as a palloc'd or static sentence,
 * or NULL if it may.  st is the file's status.
 */
extern char *master_key_rewrite_obstacle(const char *path, const struct stat *st);

/*
 * Write the file that was read again: with a new key before the others, without
 * one of its keys, or with the same keys.  user takes the place of this database's
 * line.  The caller holds the lock.
 *
 * master_key_rewrite_add() sets id, adds the new key to user, and raises 54000 if the
 * file has all the keys or bytes that it may have.  master_key_rewrite_record()
 * returns false if there is no room for the line.  The first two raise F0000 if
 * the server may not change the file, with a HINT that explains the change by hand.  All
 * three raise the error of the system call if writing fails.
 */
extern void master_key_rewrite_add(const char *path, const MasterKeyFile *file,
								   MasterKeyUser *user, char id[MASTER_KEY_ID_LENGTH + 1]);
extern void master_key_rewrite_remove(const char *path, const MasterKeyFile *file, const char *id);
extern bool master_key_rewrite_record(const char *path, const MasterKeyFile *file,
									  const MasterKeyUser *user);

#endif							/* ANON_AUTH_MASTER_KEY_REWRITE_H */
