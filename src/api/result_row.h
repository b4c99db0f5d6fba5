/*-------------------------------------------------------------------------
 *
 * result_row.h
 *	  Rows that a SQL function returns, filled in by column name.
 *
 * The names are those of the OUT parameters, or of the columns of the
 * function's result type, in the install script.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RESULT_ROW_H
#define ANON_AUTH_RESULT_ROW_H

#include "postgres.h"

#include "fmgr.h"

typedef struct ResultRow ResultRow;

/* Begin the one row of a function that returns a composite value. */
extern ResultRow *result_row_begin(FunctionCallInfo fcinfo);

/*
 * Begin the rows of a set-returning function.  It then calls result_row_add()
 * for each row and returns (Datum) 0.
 */
extern ResultRow *result_row_begin_set(FunctionCallInfo fcinfo);

/*
 * Set a column.  A column that is not set is NULL.  The bytes that a
 * pass-by-reference value points to are not copied before the row is complete.
 */
extern void result_row_set(ResultRow *row, const char *column, Datum value);

/* Return the row as the function's result. */
extern Datum result_row_finish(ResultRow *row);

/* Add the row to the function's result set.  All columns are NULL afterwards. */
extern void result_row_add(ResultRow *row);

#endif							/* ANON_AUTH_RESULT_ROW_H */
