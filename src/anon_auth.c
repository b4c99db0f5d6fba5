/*-------------------------------------------------------------------------
 *
 * anon_auth.c
 *	  Loading of the library.
 *
 * No background worker and no shared memory: it need not be preloaded but for
 * Citus (see store/session_settings.c).  Elsewhere the hooks look at our own
 * statements and at DDL alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/guc.h"
#include "counters/transaction_counters.h"
#include "fmgr.h"
#include "store/app_tables.h"
#include "store/distribution.h"
#include "store/foreign_keys.h"
#include "store/object_guard.h"
#include "store/session_settings.h"
#include "store/statement.h"

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
	guc_define(session_settings_init());
	statement_stamps_init();
	transaction_counters_init();
	distribution_init();
	app_statements_init();
	foreign_keys_init();
	object_guard_init();
}
