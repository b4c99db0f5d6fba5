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

/* The columns of users that keys refer to, and their values for both users. */
typedef struct UserValues
{
	int			count;
	char	  **columns;
	Oid		   *types;
	Datum	   *values;			/* of the one, then of the other */
	char	   *nulls;			/* as SPI wants it */
} UserValues;

/* Where a column is among them, or -1. */
extern int	user_value_index(const UserValues *values, const char *column);

/* Whether a key of the table contains the column. */
extern bool app_key_has_column(const AppTable *table, const char *column);

/*
 * Both have the values as parameters, and return a row of numbers, one a table:
 * of the rows that were moved, and of those that still refer to the one user.
 */
extern char *app_move_statement(const AppTable *tables, int count, const UserValues *values);
extern char *app_leftover_statement(const AppTable *tables, int count, const UserValues *values);

#endif							/* ANON_AUTH_APP_MOVE_STATEMENT_H */
