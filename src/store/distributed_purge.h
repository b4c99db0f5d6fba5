/*-------------------------------------------------------------------------
 *
 * distributed_purge.h
 *	  What purge.c does otherwise where Citus has spread the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DISTRIBUTED_PURGE_H
#define ANON_AUTH_DISTRIBUTED_PURGE_H

#include "postgres.h"

#include "store/purge.h"

/* As the functions of purge.h. */
extern uint64 distributed_purge_sessions(TimestampTz now, int limit, bool *more);
extern uint64 distributed_purge_rows(PurgeKind kind, TimestampTz before, int limit);

#endif							/* ANON_AUTH_DISTRIBUTED_PURGE_H */
