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
#include "storage/lmgr.h"
#include "store/record_codec.h"
#include "store/signing_keys.h"
#include "store/statement.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

RECORD_TYPE(key_state, SigningKeyRow, SIGNING_KEY_STATE_COLUMNS);
RECORD_TYPE(key, SigningKeyRow, SIGNING_KEY_COLUMNS);

static Statement select_keys = {
	.sql = "SELECT * FROM anon_auth.signing_keys",
	.key_table = "signing_keys"
};

static Statement select_key = {
	.sql = "SELECT * FROM anon_auth.signing_keys WHERE kid = :kid",
	.key_table = "signing_keys"
};

static Statement find_newest = {
	.sql = "SELECT {key_state} FROM anon_auth.signing_keys"
	" WHERE state = 'active' ORDER BY signs_from DESC, kid LIMIT 1",
	.row = &key_state_record
};

/* The keys in the JWKS: tokens signed by them can still be valid. */
static Statement find_published = {
	.sql = "SELECT {key} FROM anon_auth.signing_keys WHERE state = 'active'"
	" OR (state = 'retiring' AND (verify_until IS NULL OR verify_until > :now))"
	" ORDER BY created_at DESC, kid",
	.row = &key_record
};

/* A key that was retired before keeps the time until which it verifies. */
static Statement begin_retiring = {
	.sql = "UPDATE anon_auth.signing_keys"
	" SET state = 'retiring', retiring_since = :since, verify_until = :verify_until"
	" WHERE kid <> :kid"
	" AND (state = 'active' OR (state = 'retiring' AND retiring_since > :since))"
};

static Statement resume_key = {
	.sql = "UPDATE anon_auth.signing_keys"
	" SET state = 'active', retiring_since = NULL, verify_until = NULL"
	" WHERE kid = (SELECT k.kid FROM anon_auth.signing_keys k"
	" WHERE k.state = 'retiring' AND k.retiring_since > :now"
	" ORDER BY k.retiring_since DESC, k.signs_from DESC, k.kid LIMIT 1)"
};

static Statement set_signs_from = {
	.sql = "UPDATE anon_auth.signing_keys SET signs_from = :signs_from WHERE kid = :kid"
};

static Statement end_retiring = {
	.sql = "UPDATE anon_auth.signing_keys SET state = 'retired'"
	" WHERE state = 'retiring' AND verify_until <= :now"
};

static Statement retire_key = {
	.sql = "UPDATE anon_auth.signing_keys SET state = 'retired' WHERE kid = :kid"
};

/* On a conflict the caller reports the kid, instead of a unique violation. */
static Statement insert_key = {
	.sql = "INSERT INTO anon_auth.signing_keys"
	" (kid, alg, state, public_jwk, sealed_private_key, master_key_id, created_at, signs_from)"
	" VALUES (:kid, :alg, :state, :public_jwk, :sealed_private_key, :master_key_id, :created_at,"
	" :signs_from)"
	" ON CONFLICT (kid) DO NOTHING"
};

static Statement find_any = {
	.sql = "SELECT 1 FROM anon_auth.signing_keys LIMIT 1"
};

/* This conflicts with itself and with the lock that every change takes. */
static Statement lock_keys = {
	.sql = "LOCK TABLE anon_auth.signing_keys IN SHARE ROW EXCLUSIVE MODE"
};

static Statement lock_keys_for_insert = {
	.sql = "LOCK TABLE anon_auth.signing_keys IN ROW EXCLUSIVE MODE"
};

static Statement find_not_sealed_with = {
	.sql = "SELECT {key} FROM anon_auth.signing_keys"
	" WHERE master_key_id <> :key_id ORDER BY kid",
	.row = &key_record
};

/* read_only: signing_keys_sealed_with() has pushed the snapshot to use. */
static Statement find_sealed_with = {
	.sql = "SELECT kid FROM anon_auth.signing_keys WHERE master_key_id = :key_id",
	.read_only = true
};

/* Not by array_agg(): see statement_fetch_ids(). */
#define SEALED_BY_COLUMNS(COLUMN) \
	COLUMN(TEXT, master_key_id)

typedef struct SealedBy
{
	SEALED_BY_COLUMNS(RECORD_FIELD)
} SealedBy;

RECORD_TYPE(sealed_by, SealedBy, SEALED_BY_COLUMNS);

static Statement find_sealed_by = {
	.sql = "SELECT DISTINCT {sealed_by} FROM anon_auth.signing_keys",
	.row = &sealed_by_record
};

/* The public part stays: only the sealing changes. */
static Statement reseal_key = {
	.sql = "UPDATE anon_auth.signing_keys SET sealed_private_key = :sealed_private_key,"
	" master_key_id = :master_key_id WHERE kid = :kid"
};

/* Rows that a scan found, as records of one type. */
typedef struct KeyList
{
	const RecordType *type;
	int			count;
	SigningKeyRow *rows;
} KeyList;

/* A RowVisitor: append a row to a KeyList. */
static bool
append_key(TupleDesc desc, const Datum *values, const bool *nulls, void *arg)
{
	KeyList    *list = arg;
	RecordMap	map;
	bool	   *used = palloc0(sizeof(bool) * desc->natts);

	if (list->rows == NULL)
		list->rows = palloc(sizeof(SigningKeyRow));
	else
		list->rows = repalloc(list->rows, sizeof(SigningKeyRow) * (list->count + 1));
	record_map_columns(list->type, desc, used, &map);
	record_decode(list->type, &map, values, nulls, &list->rows[list->count++]);
	pfree(used);
	return true;
}

static bool
find_row(const RecordType *type, const char *kid, const CacheStamp *stamp, SigningKeyRow *key)
{
	KeyList		list = {.type = type};

	statement_visit_stamped(&select_key, PARAMS(param_text("kid", kid)), stamp, append_key, &list);
	if (list.count > 0)
		*key = list.rows[0];
	return list.count > 0;
}

bool
signing_keys_find_state(const char *kid, const CacheStamp *stamp, SigningKeyRow *key)
{
	return find_row(&key_state_record, kid, stamp, key);
}

bool
signing_keys_find(const char *kid, const CacheStamp *stamp, SigningKeyRow *key)
{
	return find_row(&key_record, kid, stamp, key);
}

/*
 * Whether a key rather signs than another.  Keys that have begun to sign come first.  The
 * nearest one is the last that began or, if none has begun, the first that begins.  kid
 * breaks a tie, so that all backends choose the same key.  The times alone decide, so nothing
 * is written when a new key begins to sign, and a standby changes to it at the same time.
 */
static bool
signs_rather(const SigningKeyRow *key, const SigningKeyRow *other, TimestampTz now)
{
	bool		begun = key->signs_from <= now;

	if (begun != (other->signs_from <= now))
		return begun;
	if (key->signs_from != other->signs_from)
		return begun ? key->signs_from > other->signs_from : key->signs_from < other->signs_from;
	return strcmp(key->kid, other->kid) < 0;
}

static bool
can_sign(const SigningKeyRow *key, TimestampTz now)
{
	return strcmp(key->state, "active") == 0 ||
		(strcmp(key->state, "retiring") == 0 && key->retiring_since > now);
}

bool
signing_keys_find_signer(TimestampTz now, const CacheStamp *stamp, SigningKeyRow *signer,
						 TimestampTz *until)
{
	KeyList		list = {.type = &key_state_record};
	SigningKeyRow *best = NULL;
	TimestampTz change = DT_NOEND;
	int			i;

	statement_visit_stamped(&select_keys, NO_PARAMS, stamp, append_key, &list);
	for (i = 0; i < list.count; i++)
	{
		SigningKeyRow *key = &list.rows[i];

		if (can_sign(key, now) && (best == NULL || signs_rather(key, best, now)))
			best = key;
		if (key->signs_from > now)
			change = Min(change, key->signs_from);
		if (key->retiring_since > now)
			change = Min(change, key->retiring_since);
	}
	if (until != NULL)
		*until = change;
	if (best != NULL)
		*signer = *best;
	return best != NULL;
}

bool
signing_keys_find_newest(SigningKeyRow *key)
{
	return statement_fetch(&find_newest, NO_PARAMS, key);
}

SigningKeyRow *
signing_keys_published(TimestampTz now, int *count)
{
	return statement_fetch_all(&find_published, PARAMS(param_timestamp("now", now)), count);
}

SigningKeyRow *
signing_keys_not_sealed_with(const char *key_id, int *count)
{
	return statement_fetch_all(&find_not_sealed_with, PARAMS(param_text("key_id", key_id)), count);
}

/* A transaction's old snapshot does not show keys that others have made since. */
uint64
signing_keys_sealed_with(const char *key_id)
{
	uint64		count;

	PushActiveSnapshot(GetLatestSnapshot());
	count = statement_run(&find_sealed_with, PARAMS(param_text("key_id", key_id)));
	PopActiveSnapshot();
	return count;
}

StringList
signing_keys_sealed_by(void)
{
	StringList	ids;
	SealedBy   *rows = statement_fetch_all(&find_sealed_by, NO_PARAMS, &ids.count);
	int			i;

	ids.items = palloc(sizeof(char *) * Max(ids.count, 1));
	for (i = 0; i < ids.count; i++)
		ids.items[i] = rows[i].master_key_id;
	return ids;
}

/* Where the rows are distributed, no trigger tells this backend of its own changes. */
static uint64
change_keys(Statement *statement, const NamedParam *params)
{
	uint64		rows = statement_run(statement, params);

	cached_table_forget(CACHED_SIGNING_KEYS);
	return rows;
}

void
signing_keys_reseal(const SigningKeyRow *key)
{
	change_keys(&reseal_key, PARAMS(param_record(&key_record, key)));
}

bool
signing_keys_insert(const SigningKeyRow *key)
{
	return change_keys(&insert_key, PARAMS(param_record(&key_record, key))) > 0;
}

bool
signing_keys_exist(void)
{
	return statement_run(&find_any, NO_PARAMS) > 0;
}

void
signing_keys_lock(void)
{
	statement_run(&lock_keys, NO_PARAMS);
}

void
signing_keys_lock_for_insert(void)
{
	statement_run(&lock_keys_for_insert, NO_PARAMS);
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
signing_keys_begin_retiring(const char *kid, TimestampTz since, TimestampTz verify_until)
{
	change_keys(&begin_retiring, PARAMS(param_text("kid", kid), param_timestamp("since", since),
										param_timestamp("verify_until", verify_until)));
}

void
signing_keys_resume(TimestampTz now)
{
	change_keys(&resume_key, PARAMS(param_timestamp("now", now)));
}

void
signing_keys_set_signs_from(const char *kid, TimestampTz signs_from)
{
	change_keys(&set_signs_from, PARAMS(param_text("kid", kid),
										param_timestamp("signs_from", signs_from)));
}

void
signing_keys_end_retiring(TimestampTz now)
{
	change_keys(&end_retiring, PARAMS(param_timestamp("now", now)));
}

bool
signing_keys_retire(const char *kid)
{
	return change_keys(&retire_key, PARAMS(param_text("kid", kid))) > 0;
}
