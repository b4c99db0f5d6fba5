/*-------------------------------------------------------------------------
 *
 * distributed_transaction.h
 *	  That a call is one transaction on all nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DISTRIBUTED_TRANSACTION_H
#define ANON_AUTH_DISTRIBUTED_TRANSACTION_H

#include "postgres.h"

/* Called when the library is preloaded after Citus. */
extern void distributed_transaction_init(void);

/*
 * Before each statement on distributed tables.  Raises 0A000 where Citus would
 * not run it, or, if it writes, would not let it be rolled back.
 */
extern void distributed_transaction_require(bool writes);

#endif							/* ANON_AUTH_DISTRIBUTED_TRANSACTION_H */
