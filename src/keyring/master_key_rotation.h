/*-------------------------------------------------------------------------
 *
 * master_key_rotation.h
 *	  Changing the master key, and the id of the database.
 *
 * The functions wait for other changes of signing keys and of the master key
 * file.  All of them raise F0000 if the file is missing, damaged, too open, or
 * lacks a key that is needed.  See master_key_rotation.c for what survives a
 * rollback or a crash.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MASTER_KEY_ROTATION_H
#define ANON_AUTH_MASTER_KEY_ROTATION_H

#include "postgres.h"

/*
 * Put a new master key before the others in the file, seal all signing keys with
 * it, and return its palloc'd id.  The file changes at once and stays changed; the
 * signing keys change with the transaction.  Raises F0000 if the server may not
 * write the file, and 54000 if the file is full.
 */
extern char *keyring_rotate_master_key(void);

/*
 * Seal with the current master key all signing keys that are sealed with former
 * ones, and return their number.
 */
extern int	keyring_reseal(void);

/*
 * Remove a former master key from the file.  This takes effect at once and cannot
 * be rolled back.  Raises 42704 if the file does not have the key, 55000 if it is
 * the current one, if this database needs it, or, unless force is true, if another
 * database needs it, and F0000 if the server may not write the file.
 */
extern void keyring_retire_master_key(const char *id, bool force);

/*
 * Give the database another random id, seal the signing keys again, and return
 * the palloc'd id.  Challenges, codes, refresh tokens and everything else made
 * with derived keys become invalid.  Raises 55000 above READ COMMITTED.
 */
extern char *keyring_renew_database_id(void);

#endif							/* ANON_AUTH_MASTER_KEY_ROTATION_H */
