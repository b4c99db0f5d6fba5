/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The configuration parameters of anon_auth.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_GUC_H
#define ANON_AUTH_GUC_H

#include "postgres.h"

/* anon_auth.master_key_file: its path.  NULL or empty: a file in the data directory. */
extern char *guc_master_key_file;

/* anon_auth.counter_cells: the counters that a database can have on this server. */
extern int	guc_counter_cells;

/*
 * anon_auth.verified_claims: the claims that use_access_token() has verified, as
 * JSON; empty if there are none.  Never NULL.
 *
 * This is a parameter because PostgreSQL then resets it at the end of the
 * transaction and at DISCARD ALL, rolls it back with a savepoint, and hands it to
 * parallel workers.  SET cannot change it: see guc.c.
 */
extern const char *guc_verified_claims(void);

/* A number that increases with every change of the claims, for caches. */
extern uint64 guc_verified_claims_version(void);

/*
 * Set the claims, until the end of the transaction if is_local is true, otherwise
 * until the end of the session.
 */
extern void guc_set_verified_claims(const char *json, bool is_local);

/*
 * anon_auth.client_address: the address that use_client_address() stated, as text;
 * empty if there is none.  Never NULL.  A parameter for the same reasons.
 */
extern const char *guc_client_address(void);

/* Set it, as guc_set_verified_claims() sets the claims. */
extern void guc_set_client_address(const char *address, bool is_local);

/* Define the parameters.  To be called once, when the library is loaded. */
extern void guc_define(void);

#endif							/* ANON_AUTH_GUC_H */
