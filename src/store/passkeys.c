/*-------------------------------------------------------------------------
 *
 * passkeys.c
 *	  Statements on anon_auth.passkeys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "store/passkeys.h"
#include "store/route.h"
#include "store/statement.h"

RECORD_TYPE(passkey, Passkey, PASSKEY_COLUMNS);
RECORD_TYPE(passkey_row, Passkey, PASSKEY_ROW_COLUMNS);

static Statement find_passkey = {
	.sql = "SELECT {passkey_row} FROM anon_auth.passkeys"
	" WHERE route = :route AND credential_id = :credential_id",
	.row = &passkey_row_record
};

/* The routes in the user's row name the shards. */
static Statement find_passkeys_of_user = {
	.sql = "SELECT {passkey_row} FROM anon_auth.passkeys"
	" WHERE route = ANY (:routes) AND user_id = :user_id ORDER BY created_at, credential_id",
	.row = &passkey_row_record
};

/* The primary key decides between two users who add one credential at the same time. */
static Statement insert_passkey = {
	.sql = "INSERT INTO anon_auth.passkeys (route, {passkey}, created_at, last_used_at)"
	" VALUES (:route, {:passkey}, :now, :now) ON CONFLICT (route, credential_id) DO NOTHING"
};

/*
 * The comparison with the old values makes sure that no challenge is forgotten, and that no
 * counter goes back.
 */
static Statement use_passkey = {
	.sql = "UPDATE anon_auth.passkeys SET used_challenges = :new_challenges,"
	" sign_count = :new_count, is_backed_up = :new_backed_up, last_used_at = :now"
	" WHERE route = :route AND credential_id = :credential_id AND user_id = :user_id"
	" AND used_challenges = :used_challenges AND sign_count = :sign_count"
};

static Statement delete_passkey = {
	.sql = "DELETE FROM anon_auth.passkeys"
	" WHERE route = :route AND credential_id = :credential_id AND user_id = :user_id"
};

bytea *
passkeys_id_of(Span credential_id)
{
	bytea	   *id = palloc(VARHDRSZ + credential_id.length);

	SET_VARSIZE(id, VARHDRSZ + credential_id.length);
	memcpy(VARDATA(id), credential_id.data, credential_id.length);
	return id;
}

Span
passkeys_id(const Passkey *passkey)
{
	return (Span) {VARDATA_ANY(passkey->credential_id), VARSIZE_ANY_EXHDR(passkey->credential_id)};
}

pg_uuid_t
passkeys_route(const bytea *credential_id)
{
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8 *) VARDATA_ANY(credential_id),
					   VARSIZE_ANY_EXHDR(credential_id));
	return route_of_hash(hash);
}

bool
passkeys_find(const bytea *credential_id, Passkey *passkey)
{
	pg_uuid_t	route = passkeys_route(credential_id);

	return statement_fetch(&find_passkey,
						   PARAMS(param_uuid("route", &route),
								  param_bytea("credential_id", (bytea *) credential_id)),
						   passkey);
}

Passkey *
passkeys_of(const User *user, int *count)
{
	ArrayType  *routes = user->passkey_routes;

	/* Citus sends a statement to all shards if the list of its routes is empty. */
	*count = 0;
	if (ArrayGetNItems(ARR_NDIM(routes), ARR_DIMS(routes)) == 0)
		return NULL;
	return statement_fetch_all(&find_passkeys_of_user,
							   PARAMS(param_uuids("routes", routes),
									  param_uuid("user_id", &user->id)),
							   count);
}

bool
passkeys_insert(const Passkey *passkey, TimestampTz now)
{
	pg_uuid_t	route = passkeys_route(passkey->credential_id);

	return statement_run(&insert_passkey,
						 PARAMS(param_uuid("route", &route),
								param_record(&passkey_record, passkey),
								param_timestamp("now", now))) > 0;
}

bool
passkeys_use(const Passkey *passkey, bytea *used_challenges, int64 sign_count,
			 bool is_backed_up, TimestampTz now)
{
	pg_uuid_t	route = passkeys_route(passkey->credential_id);

	return statement_run(&use_passkey,
						 PARAMS(param_uuid("route", &route),
								param_bytea("credential_id", passkey->credential_id),
								param_uuid("user_id", &passkey->user_id),
								param_bytea("used_challenges", passkey->used_challenges),
								param_int8("sign_count", passkey->sign_count),
								param_bytea("new_challenges", used_challenges),
								param_int8("new_count", sign_count),
								param_bool("new_backed_up", is_backed_up),
								param_timestamp("now", now))) > 0;
}

bool
passkeys_delete(const Passkey *passkey)
{
	pg_uuid_t	route = passkeys_route(passkey->credential_id);

	return statement_run(&delete_passkey,
						 PARAMS(param_uuid("route", &route),
								param_bytea("credential_id", passkey->credential_id),
								param_uuid("user_id", &passkey->user_id))) > 0;
}
