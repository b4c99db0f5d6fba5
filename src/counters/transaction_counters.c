/*-------------------------------------------------------------------------
 *
 * transaction_counters.c
 *	  Counters and revocations that change when the current transaction ends.
 *
 * A list has the counters to clear and the revocations to remove, the latest first, with the subtransaction of
 * each.  A stack has the counts of each subtransaction that counted anything.  When a
 * subtransaction commits, both pass to its parent, so that their size does not grow
 * with the number of subtransactions.
 *
 * After a commit no error may be raised.  So the end of a transaction takes no lock:
 * it clears a counter with one write to a cell that was found before, and adds counts
 * to the file that was mapped before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "counters/counter_file.h"
#include "counters/transaction_counters.h"
#include "utils/memutils.h"

/*
 * A cell that expires sooner can belong to another counter when the transaction
 * ends, so it is left alone.
 */
#define SAFE_INTERVAL	USECS_PER_MINUTE

/* The statistics before this one count committed calls, those from it on rolled back ones. */
#define FIRST_AT_ROLLBACK	COUNTER_ROLLED_BACK_LOGINS
#define PENDING_STATISTICS	(COUNTER_ROLLED_BACK_REFRESHES + 1)

typedef struct Clearing
{
	SubTransactionId subtransaction;
	CounterRef	ref;			/* file NULL: the revocation is removed instead */
	Revocation	revocation;
	struct Clearing *next;
} Clearing;

typedef struct Counts
{
	SubTransactionId subtransaction;
	uint64		pending[PENDING_STATISTICS];
	struct Counts *next;		/* of an outer subtransaction */
} Counts;

static Clearing *clearings = NULL;
static Counts *counts = NULL;

static Clearing *
push_clearing(void)
{
	Clearing   *clearing = MemoryContextAllocZero(TopTransactionContext, sizeof(Clearing));

	clearing->subtransaction = GetCurrentSubTransactionId();
	clearing->next = clearings;
	clearings = clearing;
	return clearing;
}

void
counter_clear_at_commit(const char *name)
{
	CounterRef	ref;

	if (!counter_find_cell(name, &ref) ||
		ref.cell->expires_at <= GetCurrentTimestamp() + SAFE_INTERVAL)
		return;
	push_clearing()->ref = ref;
}

void
revocation_remove_at_commit(const Revocation *revocation)
{
	push_clearing()->revocation = *revocation;
}

bool
counter_is_cleared_at_commit(const char *name)
{
	CounterRef	ref;
	Clearing   *clearing;

	if (clearings == NULL || !counter_find_cell(name, &ref))
		return false;
	for (clearing = clearings; clearing != NULL; clearing = clearing->next)
		if (clearing->ref.file != NULL && clearing->ref.key == ref.key)
			return true;
	return false;
}

/* Maps the file now, because the end of the transaction must not raise its errors. */
static void
count_at_end(CounterStatistic statistic, uint64 count)
{
	SubTransactionId current = GetCurrentSubTransactionId();

	Assert(statistic < PENDING_STATISTICS);
	(void) counter_file_get();
	if (counts == NULL || counts->subtransaction != current)
	{
		Counts	   *inner = MemoryContextAllocZero(TopTransactionContext, sizeof(Counts));

		inner->subtransaction = current;
		inner->next = counts;
		counts = inner;
	}
	counts->pending[statistic] += count;
}

void
counter_statistic_at_commit(CounterStatistic statistic, uint64 count)
{
	Assert(statistic < FIRST_AT_ROLLBACK);
	if (count > 0)
		count_at_end(statistic, count);
}

void
counter_statistic_at_rollback(CounterStatistic statistic)
{
	Assert(statistic >= FIRST_AT_ROLLBACK);
	count_at_end(statistic, 1);
}

/* Clear a cell, unless the file was replaced or another counter has the cell. */
static void
clear_cell(const CounterRef *ref)
{
	if (ref->file == counter_file_peek() && *ref->key_at == ref->key)
		ref->cell->expires_at = 0;
}

/* Add the counts of a subtransaction from one statistic to before another one to the file. */
static void
add_to_file(const Counts *ended, int from, int to)
{
	CounterFile *file = counter_file_peek();

	for (; file != NULL && from < to; from++)
		if (ended->pending[from] > 0)
			(void) pg_atomic_fetch_add_u64(&file->statistics[from], ended->pending[from]);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	Clearing   *clearing;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_PREPARE && event != XACT_EVENT_ABORT)
		return;
	for (clearing = clearings; clearing != NULL && event == XACT_EVENT_COMMIT;
		 clearing = clearing->next)
	{
		if (clearing->ref.file != NULL)
			clear_cell(&clearing->ref);
		else
			revocation_remove(&clearing->revocation);
	}
	for (; counts != NULL; counts = counts->next)
	{
		if (event == XACT_EVENT_ABORT)
			add_to_file(counts, FIRST_AT_ROLLBACK, PENDING_STATISTICS);
		else
			add_to_file(counts, 0, FIRST_AT_ROLLBACK);
	}
	clearings = NULL;
}

/* The latest counts are those of the subtransaction: give them to its parent. */
static void
pass_counts_to(SubTransactionId parent)
{
	Counts	   *inner = counts;
	int			i;

	if (inner->next == NULL || inner->next->subtransaction != parent)
	{
		inner->subtransaction = parent;
		return;
	}
	counts = inner->next;
	for (i = 0; i < PENDING_STATISTICS; i++)
		counts->pending[i] += inner->pending[i];
	pfree(inner);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *arg)
{
	Clearing   *clearing;
	bool		counted = counts != NULL && counts->subtransaction == subtransaction;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (clearing = clearings; clearing != NULL && clearing->subtransaction == subtransaction;
			 clearing = clearing->next)
			clearing->subtransaction = parent;
		if (counted)
			pass_counts_to(parent);
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (clearings != NULL && clearings->subtransaction == subtransaction)
			clearings = clearings->next;
		if (counted)
		{
			Counts	   *ended = counts;

			add_to_file(ended, FIRST_AT_ROLLBACK, PENDING_STATISTICS);
			counts = ended->next;
			pfree(ended);
		}
	}
}

void
transaction_counters_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
