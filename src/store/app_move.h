/*-------------------------------------------------------------------------
 *
 * app_move.h
 *	  Moving the rows of one user to another in the application's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_MOVE_H
#define ANON_AUTH_APP_MOVE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/app_tables.h"
#include "utils/uuid.h"

/*
 * Change references to user "from" into references to user "to", and return all
 * tables with how many rows were moved in each.  Linked tables of an owner change
 * in one statement, so that the foreign keys among them hold at its end.
 *
 * The caller holds both users' rows and has called foreign_keys_hold().  At the end
 * no row references "from", not even a row that the transaction's snapshot does not
 * see.  Raises AA021 naming table and constraint if a table refuses or a trigger
 * keeps rows back, 40001 if there are rows that the transaction does not see, 55000
 * if triggers replace tables or foreign keys each time, and the errors of
 * app_tables_find().
 */
extern AppTable *app_move_rows(const pg_uuid_t *from, const pg_uuid_t *to, int *count);

/*
 * For implementations of Placement.append_move(): " WHERE " and the condition that a
 * row references user $1, and the new value of a column that references users.
 */
extern void app_move_append_condition(StringInfo sql, const AppTable *table);
extern void app_move_append_new_value(StringInfo sql, const char *column);

/* Placement.append_move() where this database has all rows. */
extern void app_move_append_locally(StringInfo sql, AppTable *table, int number);

#endif							/* ANON_AUTH_APP_MOVE_H */
