/*-------------------------------------------------------------------------
 *
 * app_rows.h
 *	  Rows of the application's tables that reference users.
 *
 * Users are passed as uuid[].
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_ROWS_H
#define ANON_AUTH_APP_ROWS_H

#include "postgres.h"

#include "store/app_tables.h"
#include "utils/array.h"
#include "utils/snapshot.h"

/*
 * Return the users that have rows.  restricting_only: look only at foreign keys
 * without an action, which keep users from being deleted.  Raises as
 * app_tables_find().
 */
extern ArrayType *app_rows_find_users(ArrayType *users, bool restricting_only);

/* Whether rows reference one of the users by a key, in the given snapshot. */
extern bool app_rows_exist(const AppTable *table, const AppKey *key, ArrayType *users,
						   Snapshot snapshot);

/*
 * Raise 40001 if the transaction keeps one snapshot and does not see all rows of the
 * users.  moving: look at all keys, else only at those with an action.
 */
extern void app_rows_refuse_unseen(const AppTable *tables, int count, ArrayType *users,
								   bool moving);

#endif							/* ANON_AUTH_APP_ROWS_H */
