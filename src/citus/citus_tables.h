/*-------------------------------------------------------------------------
 *
 * citus_tables.h
 *	  Which tables Citus has distributed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_TABLES_H
#define ANON_AUTH_CITUS_TABLES_H

#include "postgres.h"

/* Called once when the library is loaded. */
extern void citus_tables_init(void);

/* Whether anon_auth.distribute() has been called, and undistribute() not since. */
extern bool citus_tables_are_distributed(void);

/*
 * Return the column by which Citus distributes a table, or NULL if Citus does not.
 * Only while citus_tables_are_distributed().
 */
extern char *citus_tables_column(Oid relation_id);

#endif							/* ANON_AUTH_CITUS_TABLES_H */
