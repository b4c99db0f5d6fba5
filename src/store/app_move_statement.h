/*-------------------------------------------------------------------------
 *
 * app_move_statement.h
 *	  The statements that app_move.c runs, as text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_MOVE_STATEMENT_H
#define ANON_AUTH_APP_MOVE_STATEMENT_H

#include "postgres.h"

#include "store/app_tables.h"

/* Whether a key of the table contains the column. */
extern bool app_key_has_column(const AppTable *table, const char *column);

/*
 * Both have the ids of the two users as parameters, and return a row of numbers, one
 * a table: of the rows that were moved, and of those that still refer to the first
 * user.
 */
extern char *app_move_statement(const AppTable *tables, int count);
extern char *app_leftover_statement(const AppTable *tables, int count);

#endif							/* ANON_AUTH_APP_MOVE_STATEMENT_H */
