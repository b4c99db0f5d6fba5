/*-------------------------------------------------------------------------
 *
 * due_accounts.c
 *	  Accounts that purge() deletes, because their users have asked for it.
 *
 * The index on purge_from has only accounts with delete_at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/due_accounts.h"
#include "store/statement.h"

static Statement find_accounts = {
	.sql = "SELECT id FROM anon_auth.users WHERE delete_at IS NOT NULL AND purge_from <= :now"
	" ORDER BY purge_from LIMIT :limit",
	.custom_plans = true
};

/* The deletion may have been cancelled since the account was found. */
static Statement lock_accounts = {
	.sql = "SELECT id FROM anon_auth.users WHERE id = ANY (:accounts)"
	" AND delete_at <= :now AND purge_from <= :now ORDER BY id FOR UPDATE SKIP LOCKED"
};

ArrayType *
due_accounts_find(TimestampTz now, int limit)
{
	return statement_fetch_ids(&find_accounts, PARAMS(param_timestamp("now", now),
													  param_int4("limit", limit)));
}

ArrayType *
due_accounts_lock(ArrayType *accounts, TimestampTz now)
{
	return statement_fetch_ids(&lock_accounts, PARAMS(param_uuids("accounts", accounts),
													  param_timestamp("now", now)));
}
