/*-------------------------------------------------------------------------
 *
 * statement_stamp.c
 *	  Telling whether a cached value was read in the current SQL statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "store/statement_stamp.h"
#include "utils/timestamp.h"

/* How long a change may stay unseen in a statement that runs on. */
#define STAMP_MAX_AGE		USECS_PER_SEC

static uint64 subtransaction_aborts = 0;

static void
count_subtransaction_abort(SubXactEvent event, SubTransactionId id,
						   SubTransactionId parent_id, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		subtransaction_aborts++;
}

void
statement_stamps_init(void)
{
	RegisterSubXactCallback(count_subtransaction_abort, NULL);
}

void
statement_stamp_set(StatementStamp *stamp)
{
	stamp->valid = true;
	stamp->changed = false;
	stamp->transaction = MyLocalTransactionId();
	stamp->statement = GetCurrentStatementStartTimestamp();
	stamp->read_at = GetCurrentTimestamp();
	stamp->aborts = subtransaction_aborts;
}

bool
statement_stamp_is_of_statement(const StatementStamp *stamp)
{
	return stamp->valid && !stamp->changed &&
		stamp->transaction == MyLocalTransactionId() &&
		stamp->statement == GetCurrentStatementStartTimestamp() &&
		stamp->aborts == subtransaction_aborts;
}

bool
statement_stamp_holds(const StatementStamp *stamp)
{
	TimestampTz age;

	if (!statement_stamp_is_of_statement(stamp))
		return false;
	age = GetCurrentTimestamp() - stamp->read_at;
	return age >= 0 && age < STAMP_MAX_AGE;
}
