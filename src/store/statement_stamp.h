/*-------------------------------------------------------------------------
 *
 * statement_stamp.h
 *	  Telling whether a cached value was read in the current SQL statement.
 *
 * For values that are read once in a top-level statement, such as the settings.
 * A stamp stops holding when
 *
 *	- another statement or transaction begins;
 *	- a subtransaction aborts, since the value may be one that it wrote;
 *	- a second has passed, since a statement such as DO may run for as long as
 *	  its caller likes;
 *	- the clock was set back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STATEMENT_STAMP_H
#define ANON_AUTH_STATEMENT_STAMP_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct StatementStamp
{
	bool		valid;
	bool		changed;		/* read it again although the statement is the same */
	LocalTransactionId transaction;
	TimestampTz statement;
	TimestampTz read_at;
	uint64		aborts;
} StatementStamp;

/* Called once when the library is loaded. */
extern void statement_stamps_init(void);

/* Note that the value has been read now. */
extern void statement_stamp_set(StatementStamp *stamp);

extern bool statement_stamp_holds(const StatementStamp *stamp);

/* Whether it was set in this statement, however long ago. */
extern bool statement_stamp_is_of_statement(const StatementStamp *stamp);

#endif							/* ANON_AUTH_STATEMENT_STAMP_H */
