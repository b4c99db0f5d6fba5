/*-------------------------------------------------------------------------
 *
 * statement_text.h
 *	  The text of a statement as PostgreSQL wants it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STATEMENT_TEXT_H
#define ANON_AUTH_STATEMENT_TEXT_H

#include "postgres.h"

#include "store/param.h"

/*
 * Translate :name to $n, and records in braces to lists of columns or parameters;
 * see statement.h.  Parameters count in the order of the list, a record's columns
 * each.  row and joined may be NULL.  Returns palloc'd text.  Raises an internal
 * error for a name that is not known, known twice, or not used.
 */
extern char *statement_text_translate(const char *sql, const RecordType *row,
									  const RecordType *joined, const NamedParam *params);

#endif							/* ANON_AUTH_STATEMENT_TEXT_H */
