/*-------------------------------------------------------------------------
 *
 * anon_auth.c
 *	  Loading of the library.
 *
 * The library has no background worker and no shared memory, so that it need not be
 * preloaded, except with Citus (see src/citus).  Otherwise its hooks look only at
 * DDL and at its own statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/guc.h"
#ifdef ANON_AUTH_CITUS
#include "citus/citus.h"
#endif
#include "counters/refusals.h"
#include "counters/transaction_counters.h"
#include "fmgr.h"
#include "store/app_statement.h"
#include "store/cached_table.h"
#include "store/foreign_keys.h"
#include "domain/object_guard.h"
#include "store/placement_local.h"
#include "store/statement_stamp.h"

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "anon_auth",.version = ANON_AUTH_VERSION);
#else
PG_MODULE_MAGIC;
#endif

void		_PG_init(void);

void
_PG_init(void)
{
	if (sodium_init() < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not initialize libsodium")));
	placement_local_init();
#ifdef ANON_AUTH_CITUS
	citus_init();
#endif
	guc_define();
	statement_stamps_init();
	cached_tables_init();
	refusals_init();
	transaction_counters_init();
	app_statement_init();
	foreign_keys_init();
	object_guard_init();
}
