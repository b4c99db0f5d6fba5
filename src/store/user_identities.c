/*-------------------------------------------------------------------------
 *
 * user_identities.c
 *	  Statements on anon_auth.user_identities and removed_identities.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "store/route.h"
#include "store/statement.h"
#include "store/user_identities.h"

RECORD_TYPE(identity, UserIdentity, USER_IDENTITY_COLUMNS);
RECORD_TYPE(identity_row, UserIdentity, USER_IDENTITY_ROW_COLUMNS);

/* The challenges that an identity has used. */
#define CHALLENGES_COLUMNS(COLUMN) \
	COLUMN(BYTEA, used_challenges)

typedef struct Challenges
{
	CHALLENGES_COLUMNS(RECORD_FIELD)
} Challenges;

RECORD_TYPE(challenges, Challenges, CHALLENGES_COLUMNS);

static Statement find_identity = {
	.sql = "SELECT {identity_row} FROM anon_auth.user_identities"
	" WHERE route = :route AND issuer = :issuer AND subject = :subject",
	.row = &identity_row_record
};

/* The routes in the user's row name the shards. */
static Statement find_identities_of_user = {
	.sql = "SELECT {identity_row} FROM anon_auth.user_identities"
	" WHERE route = ANY (:routes) AND user_id = :user_id ORDER BY created_at, issuer, subject",
	.row = &identity_row_record
};

/* The primary key decides between two accounts that add one identity at the same time. */
static Statement insert_identity = {
	.sql = "INSERT INTO anon_auth.user_identities (route, {identity}, created_at, last_used_at)"
	" VALUES (:route, {:identity}, :now, :now) ON CONFLICT (route, issuer, subject) DO NOTHING"
};

/* The comparison with the old window makes sure that no challenge is forgotten. */
static Statement use_identity = {
	.sql = "UPDATE anon_auth.user_identities SET used_challenges = :new_challenges,"
	" claims = claims || :new_claims, last_used_at = :now"
	" WHERE route = :route AND issuer = :issuer AND subject = :subject"
	" AND used_challenges = :used_challenges AND user_id = :user_id"
};

static Statement delete_identity = {
	.sql = "DELETE FROM anon_auth.user_identities"
	" WHERE route = :route AND issuer = :issuer AND subject = :subject AND user_id = :user_id"
	" RETURNING {challenges}",
	.row = &challenges_record
};

/* An identity may be removed more than once; its last window contains the earlier ones. */
static Statement insert_removed = {
	.sql = "INSERT INTO anon_auth.removed_identities (route, {challenges}, removed_at)"
	" VALUES (:route, {:challenges}, :now) ON CONFLICT (route) DO UPDATE"
	" SET used_challenges = excluded.used_challenges, removed_at = excluded.removed_at"
};

static Statement find_removed = {
	.sql = "SELECT {challenges} FROM anon_auth.removed_identities WHERE route = :route",
	.row = &challenges_record
};

/* No issuer contains a zero byte, so no two identities are hashed from the same bytes. */
pg_uuid_t
user_identities_route(const char *issuer, const char *subject)
{
	crypto_hash_sha256_state state;
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const uint8 *) issuer, strlen(issuer) + 1);
	crypto_hash_sha256_update(&state, (const uint8 *) subject, strlen(subject));
	crypto_hash_sha256_final(&state, hash);
	return route_of_hash(hash);
}

bool
user_identities_find(const char *issuer, const char *subject, UserIdentity *identity)
{
	pg_uuid_t	route = user_identities_route(issuer, subject);

	return statement_fetch(&find_identity,
						   PARAMS(param_uuid("route", &route), param_text("issuer", issuer),
								  param_text("subject", subject)),
						   identity);
}

UserIdentity *
user_identities_of(const User *user, int *count)
{
	ArrayType  *routes = user->identity_routes;

	/* Citus sends a statement to all shards if the list of its routes is empty. */
	*count = 0;
	if (ArrayGetNItems(ARR_NDIM(routes), ARR_DIMS(routes)) == 0)
		return NULL;
	return statement_fetch_all(&find_identities_of_user,
							   PARAMS(param_uuids("routes", routes),
									  param_uuid("user_id", &user->id)),
							   count);
}

bool
user_identities_insert(const UserIdentity *identity, TimestampTz now)
{
	pg_uuid_t	route = user_identities_route(identity->issuer, identity->subject);

	return statement_run(&insert_identity,
						 PARAMS(param_uuid("route", &route),
								param_record(&identity_record, identity),
								param_timestamp("now", now))) > 0;
}

bool
user_identities_use(const UserIdentity *identity, bytea *used_challenges, Jsonb *claims,
					TimestampTz now)
{
	pg_uuid_t	route = user_identities_route(identity->issuer, identity->subject);

	return statement_run(&use_identity,
						 PARAMS(param_uuid("route", &route),
								param_text("issuer", identity->issuer),
								param_text("subject", identity->subject),
								param_uuid("user_id", &identity->user_id),
								param_bytea("used_challenges", identity->used_challenges),
								param_bytea("new_challenges", used_challenges),
								param_jsonb("new_claims", claims),
								param_timestamp("now", now))) > 0;
}

bool
user_identities_remove(const UserIdentity *identity, TimestampTz now)
{
	pg_uuid_t	route = user_identities_route(identity->issuer, identity->subject);
	Challenges	removed;

	if (!statement_fetch(&delete_identity,
						 PARAMS(param_uuid("route", &route),
								param_text("issuer", identity->issuer),
								param_text("subject", identity->subject),
								param_uuid("user_id", &identity->user_id)),
						 &removed))
		return false;
	statement_run(&insert_removed,
				  PARAMS(param_uuid("route", &route), param_record(&challenges_record, &removed),
						 param_timestamp("now", now)));
	return true;
}

bytea *
user_identities_removed_challenges(const char *issuer, const char *subject)
{
	pg_uuid_t	route = user_identities_route(issuer, subject);
	Challenges	removed;

	if (!statement_fetch_latest(&find_removed, PARAMS(param_uuid("route", &route)), &removed))
		return NULL;
	return removed.used_challenges;
}
