/*-------------------------------------------------------------------------
 *
 * user_deletion.h
 *	  Deleting users with everything that belongs to them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_DELETION_H
#define ANON_AUTH_USER_DELETION_H

#include "postgres.h"

#include "store/app_tables.h"
#include "utils/array.h"
#include "utils/uuid.h"

/*
 * Delete users (uuid[]) whose rows the caller holds, with all their rows in the
 * extension's tables except events.  The application's rows follow their foreign
 * keys.  A device key that may still be used must be removed before, with
 * device_keys_remove(), and identities with user_identities_remove().  Raises as app_release_users(), and whatever triggers raise.
 */
extern void user_deletion_delete(ArrayType *users);
extern void user_deletion_delete_one(const pg_uuid_t *id);

/*
 * Move the application's rows of a user to another one, and delete the first.  The
 * caller holds both rows and has called app_statement_run_deferred().  Returns the
 * tables with how many rows were moved.  Raises as app_move_rows().
 */
extern AppTable *user_deletion_merge(const pg_uuid_t *id, const pg_uuid_t *into, int *count);

/* Delete a user that this transaction has just inserted and that has no other rows. */
extern void user_deletion_undo_insert(const pg_uuid_t *id);

/*
 * Forget which account (:users) removed device keys belonged to.  The challenges that
 * the keys have used stay until purge() deletes them.
 */
#define USER_DELETION_FORGET_KEYS \
	"UPDATE anon_auth.removed_device_keys SET user_id = NULL, alg = NULL, jwk = NULL" \
	" WHERE user_id = ANY (:users)"

/* Placement.delete_users() where this database has all rows. */
extern void user_deletion_delete_locally(ArrayType *users);

#endif							/* ANON_AUTH_USER_DELETION_H */
