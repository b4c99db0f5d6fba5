/*-------------------------------------------------------------------------
 *
 * signing_keys.c
 *	  Statements on anon_auth.signing_keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static StoreStatement peek_active = {
	.sql = "SELECT kid, alg, state, created_at, verify_until FROM anon_auth.signing_keys"
	" WHERE state = 'active' ORDER BY created_at DESC, kid LIMIT 1"
};

static StoreStatement peek_kid = {
	.sql = "SELECT kid, alg, state, created_at, verify_until FROM anon_auth.signing_keys WHERE kid = $1",
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement find_key = {
	.sql = "SELECT kid, alg, state, created_at, verify_until, public_jwk, sealed_private_key, master_key_id"
	" FROM anon_auth.signing_keys WHERE kid = $1",
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement find_published = {
	.sql = "SELECT kid, alg, state, created_at, verify_until, public_jwk, sealed_private_key, master_key_id"
	" FROM anon_auth.signing_keys WHERE state = 'active'"
	" OR (state = 'retiring' AND (verify_until IS NULL OR verify_until > $1))"
	" ORDER BY created_at DESC, kid",
	.nparams = 1,
	.types = {TIMESTAMPTZOID}
};

static StoreStatement begin_retiring = {
	.sql = "UPDATE anon_auth.signing_keys"
	" SET state = 'retiring', retiring_since = $2, verify_until = $3"
	" WHERE state = 'active' AND kid <> $1",
	.nparams = 3,
	.types = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static StoreStatement end_retiring = {
	.sql = "UPDATE anon_auth.signing_keys SET state = 'retired'"
	" WHERE state = 'retiring' AND verify_until <= $1",
	.nparams = 1,
	.types = {TIMESTAMPTZOID}
};

static StoreStatement retire_key = {
	.sql = "UPDATE anon_auth.signing_keys SET state = 'retired' WHERE kid = $1",
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement insert_key = {
	.sql = "INSERT INTO anon_auth.signing_keys"
	" (kid, alg, state, public_jwk, sealed_private_key, master_key_id, created_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kid) DO NOTHING",
	.nparams = 7,
	.types = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID}
};

static StoreStatement find_any = {
	.sql = "SELECT kid FROM anon_auth.signing_keys LIMIT 1"
};

static StoreStatement lock_keys = {
	.sql = "LOCK TABLE anon_auth.signing_keys IN SHARE ROW EXCLUSIVE MODE"
};

static StoreStatement lock_keys_for_insert = {
	.sql = "LOCK TABLE anon_auth.signing_keys IN ROW EXCLUSIVE MODE"
};

static StoreStatement find_not_sealed_with = {
	.sql = "SELECT kid, alg, state, created_at, verify_until, public_jwk, sealed_private_key, master_key_id"
	" FROM anon_auth.signing_keys WHERE master_key_id <> $1 ORDER BY kid",
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement find_sealed_with = {
	.sql = "SELECT kid FROM anon_auth.signing_keys WHERE master_key_id = $1",
	.read_only = true,
	.nparams = 1,
	.types = {TEXTOID}
};

static StoreStatement find_master_key_ids = {
	.sql = "SELECT DISTINCT master_key_id FROM anon_auth.signing_keys"
};

static StoreStatement reseal_key = {
	.sql = "UPDATE anon_auth.signing_keys SET sealed_private_key = $2, master_key_id = $3 WHERE kid = $1",
	.nparams = 3,
	.types = {TEXTOID, BYTEAOID, TEXTOID}
};

static void
fill_peek(SigningKeyRow *key, const StoreRow *row)
{
	key->kid = store_text(row, 0);
	key->alg = store_text(row, 1);
	key->state = store_text(row, 2);
	key->created_at = DatumGetTimestampTz(row->values[3]);
	key->verify_until = row->nulls[4] ? DT_NOEND : DatumGetTimestampTz(row->values[4]);
}

static void
fill_key(SigningKeyRow *key, const StoreRow *row)
{
	fill_peek(key, row);
	key->public_jwk = DatumGetJsonbP(row->values[5]);
	key->sealed_private_key = DatumGetByteaP(row->values[6]);
	key->master_key_id = store_text(row, 7);
}

bool
signing_key_peek(const char *kid, SigningKeyRow *key)
{
	Datum		params[1];
	StoreRow	row;
	StoreStatement *statement = kid == NULL ? &peek_active : &peek_kid;

	params[0] = text_param(kid);
	if (store_run(statement, params, NULL, &row) == 0)
		return false;
	fill_peek(key, &row);
	return true;
}

bool
signing_key_find(const char *kid, SigningKeyRow *key)
{
	Datum		params[1];
	StoreRow	row;

	params[0] = text_param(kid);
	if (store_run(&find_key, params, NULL, &row) == 0)
		return false;
	fill_key(key, &row);
	return true;
}

static SigningKeyRow *
find_keys(StoreStatement *statement, Datum param, int *count)
{
	StoreRow   *rows = store_run_rows(statement, &param, NULL, count);
	SigningKeyRow *keys;
	int			i;

	keys = palloc(sizeof(SigningKeyRow) * Max(*count, 1));
	for (i = 0; i < *count; i++)
		fill_key(&keys[i], &rows[i]);
	return keys;
}

SigningKeyRow *
signing_keys_published(TimestampTz now, int *count)
{
	return find_keys(&find_published, TimestampTzGetDatum(now), count);
}

SigningKeyRow *
signing_keys_not_sealed_with(const char *master_key_id, int *count)
{
	return find_keys(&find_not_sealed_with, text_param(master_key_id), count);
}

/* A transaction's old snapshot does not know what others have made since. */
uint64
signing_keys_sealed_with(const char *master_key_id)
{
	Datum		params[1];
	uint64		count;

	params[0] = text_param(master_key_id);
	PushActiveSnapshot(GetLatestSnapshot());
	count = store_run(&find_sealed_with, params, NULL, NULL);
	PopActiveSnapshot();
	return count;
}

void
signing_key_reseal(const SigningKeyRow *key)
{
	Datum		params[3];

	params[0] = text_param(key->kid);
	params[1] = PointerGetDatum(key->sealed_private_key);
	params[2] = text_param(key->master_key_id);
	store_run(&reseal_key, params, NULL, NULL);
}

bool
signing_key_insert(const SigningKeyRow *key)
{
	Datum		params[7];

	params[0] = text_param(key->kid);
	params[1] = text_param(key->alg);
	params[2] = text_param(key->state);
	params[3] = JsonbPGetDatum(key->public_jwk);
	params[4] = PointerGetDatum(key->sealed_private_key);
	params[5] = text_param(key->master_key_id);
	params[6] = TimestampTzGetDatum(key->created_at);
	return store_run(&insert_key, params, NULL, NULL) > 0;
}

bool
signing_keys_exist(void)
{
	return store_run(&find_any, NULL, NULL, NULL) > 0;
}

void
signing_keys_lock(void)
{
	store_run(&lock_keys, NULL, NULL, NULL);
}

void
signing_keys_lock_for_insert(void)
{
	store_run(&lock_keys_for_insert, NULL, NULL, NULL);
}

char **
signing_keys_master_key_ids(int *count)
{
	StoreRow   *rows = store_run_rows(&find_master_key_ids, NULL, NULL, count);
	char	  **ids = palloc(sizeof(char *) * Max(*count, 1));
	int			i;

	for (i = 0; i < *count; i++)
		ids[i] = store_text(&rows[i], 0);
	return ids;
}

/* Every change takes this lock, and keeps it as long as it can be undone. */
bool
signing_keys_changed_here(void)
{
	Relation	relation = table_open(get_relname_relid("signing_keys",
														get_namespace_oid("anon_auth", false)),
									  AccessShareLock);
	bool		changed = CheckRelationLockedByMe(relation, RowExclusiveLock, false);

	table_close(relation, AccessShareLock);
	return changed;
}

void
signing_keys_begin_retiring(const char *kid, TimestampTz now, TimestampTz verify_until)
{
	Datum		params[3];

	params[0] = text_param(kid);
	params[1] = TimestampTzGetDatum(now);
	params[2] = TimestampTzGetDatum(verify_until);
	store_run(&begin_retiring, params, NULL, NULL);
}

void
signing_keys_end_retiring(TimestampTz now)
{
	Datum		params[1];

	params[0] = TimestampTzGetDatum(now);
	store_run(&end_retiring, params, NULL, NULL);
}

bool
signing_key_retire(const char *kid)
{
	Datum		params[1];

	params[0] = text_param(kid);
	return store_run(&retire_key, params, NULL, NULL) > 0;
}
