/*-------------------------------------------------------------------------
 *
 * transaction_counters.c
 *	  Counters that change when the current transaction ends.
 *
 * A list has the pending changes of the transaction, the latest first, with the
 * subtransaction of each.  When a subtransaction commits, its entries pass to its
 * parent.
 *
 * After a commit no error may be raised.  So the end of a transaction takes no lock:
 * it clears a counter with one write to a cell that was found before.
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

typedef struct Entry
{
	SubTransactionId subtransaction;
	bool		clears;			/* clears ref at commit; else counts at rollback */
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

/* Repeated calls in one subtransaction share an entry, so that the list stays short. */
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

/* Clear a cell, unless the file was replaced or another counter has the cell. */
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

/* Merge equal entries, so that the list does not grow with the number of subtransactions. */
static void
merge_latest_entries(void)
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
at_transaction_end(XactEvent event, void *arg)
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
at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *arg)
{
	Entry	   *entry;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (entry = entries; entry != NULL && entry->subtransaction == subtransaction;
			 entry = entry->next)
			entry->subtransaction = parent;
		merge_latest_entries();
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
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
