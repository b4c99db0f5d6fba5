/*-------------------------------------------------------------------------
 *
 * citus_purge.h
 *	  Rows that purge() and take_outbox_messages() delete on a Citus cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_PURGE_H
#define ANON_AUTH_CITUS_PURGE_H

#include "postgres.h"

#include "store/due_rows.h"
#include "store/outbox.h"
#include "utils/timestamp.h"

/* The operations of placement.h. */
extern uint64 citus_purge_sessions(TimestampTz now, int limit, bool *more);
extern uint64 citus_purge_rows(DueKind kind, TimestampTz before, int limit);
extern OutboxMessage *citus_purge_outbox_take(int limit, int *count);

#endif							/* ANON_AUTH_CITUS_PURGE_H */
