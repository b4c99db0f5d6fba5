/*-------------------------------------------------------------------------
 *
 * citus_move.h
 *	  The application's tables on a Citus cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_MOVE_H
#define ANON_AUTH_CITUS_MOVE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/app_tables.h"

/* The operations of placement.h. */
extern void citus_move_check_tables(const AppTable *tables, int count);
extern void citus_move_append(StringInfo sql, AppTable *table, int number);

#endif							/* ANON_AUTH_CITUS_MOVE_H */
