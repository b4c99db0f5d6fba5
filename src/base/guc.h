/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Configuration parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_GUC_H
#define ANON_AUTH_GUC_H

#include "postgres.h"

/* Path of the master key file; empty: in the data directory. */
extern char *guc_master_key_file;

/* How many counters a database has room for on this server. */
extern int	guc_counter_cells;

/*
 * The claims that use_access_token() has verified, as JSON; empty: none.  A
 * parameter rather than a plain variable, because PostgreSQL then ends it
 * with the transaction, rolls it back with a savepoint, clears it at DISCARD
 * ALL and hands it to parallel workers.  Nobody can SET it: see guc.c.
 */
extern const char *guc_verified_claims(void);

/* Moves on with every change of the claims: a cheap key for caches. */
extern uint64 guc_verified_claims_version(void);

/* is_local: until the end of the transaction, else of the connection. */
extern void guc_set_verified_claims(const char *json, bool is_local);

extern void guc_define(void);

#endif							/* ANON_AUTH_GUC_H */
