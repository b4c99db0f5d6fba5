/*-------------------------------------------------------------------------
 *
 * transaction_counters.c
 *	  Counters that change when the current transaction ends.
 *
 * What is to be done is a list of the transaction, the latest entry first, each
 * with the subtransaction that it belongs to.  Entries of a subtransaction that
 * commits pass to its parent.
 *
 * Nothing may fail once a transaction has committed.  So the end of a
 * transaction takes no lock: it clears a counter by one write to a cell that was
 * found before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "counters/counter_file.h"
#include "counters/transaction_counters.h"
#include "utils/memutils.h"

/* A cell that expires sooner may belong to another counter by the time it is cleared. */
#define SAFE_INTERVAL	USECS_PER_MINUTE

typedef struct Entry
{
	SubTransactionId subtransaction;
	bool		clears;			/* else counts */
	CounterRef	ref;
	CounterStatistic statistic;
	uint64		count;
	struct Entry *next;
} Entry;

static Entry *entries = NULL;

static Entry *
add_entry(void)
{
	Entry	   *entry = MemoryContextAllocZero(TopTransactionContext, sizeof(Entry));

	entry->subtransaction = GetCurrentSubTransactionId();
	entry->next = entries;
	entries = entry;
	return entry;
}

void
counter_clear_at_commit(const char *name)
{
	CounterRef	ref;

	if (counter_find_cell(name, &ref) && ref.cell->expires_at > GetCurrentTimestamp() + SAFE_INTERVAL)
	{
		Entry	   *entry = add_entry();

		entry->clears = true;
		entry->ref = ref;
	}
}

bool
counter_is_cleared_at_commit(const char *name)
{
	CounterRef	ref;
	Entry	   *entry;

	if (entries == NULL || !counter_find_cell(name, &ref))
		return false;
	for (entry = entries; entry != NULL; entry = entry->next)
		if (entry->clears && entry->ref.key == ref.key)
			return true;
	return false;
}

/* A million logins in one subtransaction are one entry. */
void
counter_statistic_at_rollback(CounterStatistic statistic)
{
	Entry	   *entry = entries;

	if (entry == NULL || entry->clears || entry->statistic != statistic ||
		entry->subtransaction != GetCurrentSubTransactionId())
	{
		entry = add_entry();
		entry->statistic = statistic;
	}
	entry->count++;
}

static void
clear_cell(const CounterRef *ref)
{
	if (ref->file == counter_file_peek() && *ref->key_at == ref->key)
		ref->cell->expires_at = 0;
}

static void
count_rollback(const Entry *entry)
{
	CounterFile *file = counter_file_peek();

	if (file != NULL)
		(void) pg_atomic_fetch_add_u64(&file->statistics[entry->statistic], entry->count);
}

/* So that the list does not grow with the number of subtransactions. */
static void
merge_latest(void)
{
	Entry	   *entry = entries;
	Entry	   *next;

	while (entry != NULL && !entry->clears && (next = entry->next) != NULL && !next->clears &&
		   next->subtransaction == entry->subtransaction && next->statistic == entry->statistic)
	{
		next->count += entry->count;
		pfree(entry);
		entries = entry = next;
	}
}

static void
end_transaction(XactEvent event, void *arg)
{
	Entry	   *entry;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			for (entry = entries; entry != NULL; entry = entry->next)
				if (entry->clears)
					clear_cell(&entry->ref);
			entries = NULL;
			break;
		case XACT_EVENT_ABORT:
			for (entry = entries; entry != NULL; entry = entry->next)
				if (!entry->clears)
					count_rollback(entry);
			entries = NULL;
			break;
		case XACT_EVENT_PREPARE:
			entries = NULL;
			break;
		default:
			break;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId subtransaction,
				   SubTransactionId parent, void *arg)
{
	Entry	   *entry;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (entry = entries; entry != NULL && entry->subtransaction == subtransaction;
			 entry = entry->next)
			entry->subtransaction = parent;
		merge_latest();
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (; entries != NULL && entries->subtransaction == subtransaction;
			 entries = entries->next)
			if (!entries->clears)
				count_rollback(entries);
	}
}

void
transaction_counters_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
