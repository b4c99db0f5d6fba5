/*-------------------------------------------------------------------------
 *
 * users.c
 *	  Statements on anon_auth.users.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "store/placement.h"
#include "store/statement.h"
#include "store/users.h"

/* last_seen_at is not written again before this has passed at a refresh. */
#define TOUCH_INTERVAL	(INT64CONST(3600) * USECS_PER_SEC)

RECORD_TYPE(user, User, USER_COLUMNS);
RECORD_TYPE(user_state, User, USER_STATE_COLUMNS);
RECORD_TYPE(account_state, AccountState, ACCOUNT_STATE_COLUMNS);

/* purge() may delete a guest from purge_from on, unless the guest was used since. */
static Statement insert_guest = {
	.sql = "INSERT INTO anon_auth.users"
	" (id, is_anonymous, created_at, updated_at, last_seen_at, device_kid, purge_from)"
	" VALUES (:id, true, :now, :now, :now, :device_kid, :purge_from)"
};

static Statement find_user = {
	.sql = "SELECT {user} FROM anon_auth.users WHERE id = :id",
	.row = &user_record,
	.key_table = "users"
};

static Statement find_user_state = {
	.sql = "SELECT {user_state} FROM anon_auth.users WHERE id = :id",
	.row = &user_state_record,
	.key_table = "users"
};

/* The update waits for a concurrent disabling, and does not overlook it. */
static Statement log_in_user = {
	.sql = "UPDATE anon_auth.users SET last_seen_at = :now"
	" WHERE id = :id AND NOT is_disabled RETURNING {user}",
	.row = &user_record
};

/* Inserting a row that references the user does not wait for this lock. */
static Statement lock_user = {
	.sql = "SELECT 1 FROM anon_auth.users WHERE id = :id FOR NO KEY UPDATE"
};

static Statement lock_and_find_user = {
	.sql = "SELECT {user} FROM anon_auth.users WHERE id = :id FOR NO KEY UPDATE",
	.row = &user_record,
	.key_table = "users",
	.key_lock = KEY_LOCK_NO_KEY_UPDATE
};

/* The new version of the row has the same values: it is there for other transactions to see. */
static Statement begin_revocation = {
	.sql = "UPDATE anon_auth.users SET is_disabled = is_disabled WHERE id = :id"
};

/* The weakest lock that a deletion waits for. */
static Statement keep_user = {
	.sql = "SELECT 1 FROM anon_auth.users WHERE id = :id FOR KEY SHARE"
};

/* FOR UPDATE waits for transactions that insert references to the user, and keeps new ones out. */
static Statement lock_guest = {
	.sql = "SELECT {user} FROM anon_auth.users"
	" WHERE id = :id AND is_anonymous AND NOT is_disabled FOR UPDATE",
	.row = &user_record
};

static Statement lock_for_deletion = {
	.sql = "SELECT {user} FROM anon_auth.users WHERE id = :id FOR UPDATE",
	.row = &user_record
};

/*
 * A refresh holds its session's row here: waiting could be a deadlock.  The outer
 * "id = :id", here and below, names the shard where there are several.
 */
static Statement touch_user = {
	.sql = "UPDATE anon_auth.users SET last_seen_at = :now WHERE id = :id AND id ="
	" (SELECT id FROM anon_auth.users WHERE id = :id AND last_seen_at < :seen_before"
	" FOR NO KEY UPDATE SKIP LOCKED)"
};

#define GUEST_WAY_BACK_COLUMNS(COLUMN) \
	COLUMN(BOOL, is_anonymous) \
	COLUMN(TIMESTAMP, purge_from) \
	COLUMN(TEXT, device_kid) \
	COLUMN(UUID_ARRAY, passkey_routes)

/* How a guest can come back without a session. */
typedef struct GuestWayBack
{
	GUEST_WAY_BACK_COLUMNS(RECORD_FIELD)
} GuestWayBack;

RECORD_TYPE(guest_way_back, GuestWayBack, GUEST_WAY_BACK_COLUMNS);

static Statement find_way_back = {
	.sql = "SELECT {guest_way_back} FROM anon_auth.users WHERE id = :id",
	.row = &guest_way_back_record,
	.key_table = "users"
};

/* This must not wait either: a session's row may be held here while a guest logs in. */
static Statement lock_way_back = {
	.sql = "SELECT {guest_way_back} FROM anon_auth.users WHERE id = :id"
	" FOR NO KEY UPDATE SKIP LOCKED",
	.row = &guest_way_back_record,
	.key_table = "users",
	.key_lock = KEY_LOCK_SKIP_LOCKED
};

static Statement make_due = {
	.sql = "UPDATE anon_auth.users SET purge_from = :now WHERE id = :id"
};

/*
 * All of it at once, for other nodes.  purge_from is compared so that no index on it fits:
 * without statistics, the planner would prefer that to the key, and read all guests.
 */
static Statement make_orphan_due = {
	.sql = "UPDATE anon_auth.users SET purge_from = :now WHERE id = :id AND id ="
	" (SELECT u.id FROM anon_auth.users u WHERE u.id = :id AND u.is_anonymous"
	" AND u.device_kid IS NULL AND u.passkey_routes = '{}'"
	" AND u.purge_from <> LEAST(u.purge_from, :now) AND NOT EXISTS"
	" (SELECT 1 FROM anon_auth.sessions s WHERE s.user_id = :id AND s.expires_at > :now)"
	" FOR NO KEY UPDATE SKIP LOCKED)"
};

/* The guest's attributes stay; those of the login IDs take precedence. */
static Statement promote_guest = {
	.sql = "UPDATE anon_auth.users SET is_anonymous = false, device_kid = NULL,"
	" is_verified = :is_verified, has_password = :has_password,"
	" login_id_routes = :login_id_routes,"
	" standard_attributes = standard_attributes || :standard_attributes,"
	" updated_at = :now, last_seen_at = :now"
	" WHERE id = :id AND is_anonymous AND NOT is_disabled RETURNING {user}",
	.row = &user_record
};

static Statement insert_account = {
	.sql = "INSERT INTO anon_auth.users"
	" (id, is_anonymous, created_at, updated_at, last_seen_at, {account_state})"
	" VALUES (:id, false, :now, :now, :now, {:account_state})"
	" ON CONFLICT (id) DO NOTHING RETURNING {user}",
	.row = &user_record
};

/* The attributes of the login IDs win over those of the other system. */
static Statement import_account = {
	.sql = "INSERT INTO anon_auth.users (id, is_anonymous, is_disabled, created_at, updated_at,"
	" last_seen_at, is_verified, has_password, login_id_routes, standard_attributes,"
	" custom_attributes, roles)"
	" VALUES (:id, false, :is_disabled, :created_at, :now, :created_at, :is_verified,"
	" :has_password, :login_id_routes, :imported_attributes || :standard_attributes, :custom_attributes,"
	" coalesce(:roles, '{}'))"
	" ON CONFLICT (id) DO NOTHING"
};

static Statement remove_login_id = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" login_id_routes = pg_catalog.array_remove(login_id_routes, :route),"
	" standard_attributes = CASE WHEN standard_attributes ->> :attribute IS DISTINCT FROM :value"
	"  THEN standard_attributes ELSE (standard_attributes - :attribute) || :next_attribute END"
	" WHERE id = :id"
};

/* An attribute of that name stays. */
static Statement add_login_id = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" login_id_routes = pg_catalog.array_append(login_id_routes, :route),"
	" standard_attributes = pg_catalog.jsonb_build_object(:attribute, :value)"
	"  || standard_attributes WHERE id = :id"
};

/* Each parameter can be NULL. */
static Statement set_attributes = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" standard_attributes = (standard_attributes - coalesce(:removed_standard, '{}'))"
	"  || coalesce(:standard_attributes, '{}'),"
	" custom_attributes = (custom_attributes - coalesce(:removed_custom, '{}'))"
	"  || coalesce(:custom_attributes, '{}')"
	" WHERE id = :id RETURNING {user}",
	.row = &user_record
};

/* Written even if it is so already, so that a login with an older snapshot sees a change. */
static Statement set_verified = {
	.sql = "UPDATE anon_auth.users SET is_verified = :verified, updated_at = :now WHERE id = :id"
};

static Statement add_identity = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" identity_routes = pg_catalog.array_append(identity_routes, :route) WHERE id = :id"
};

static Statement remove_identity = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" identity_routes = pg_catalog.array_remove(identity_routes, :route) WHERE id = :id"
};

static Statement add_device_key = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" device_key_routes = pg_catalog.array_append(device_key_routes, :route) WHERE id = :id"
};

static Statement remove_device_key = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" device_key_routes = pg_catalog.array_remove(device_key_routes, :route) WHERE id = :id"
};

/* See find_keyed_guests in due_guests.c: the guest is in use now. */
static Statement add_passkey = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" passkey_routes = pg_catalog.array_append(passkey_routes, :route),"
	" purge_from = CASE WHEN is_anonymous THEN LEAST(purge_from, :now) ELSE purge_from END"
	" WHERE id = :id"
};

static Statement remove_passkey = {
	.sql = "UPDATE anon_auth.users SET updated_at = :now,"
	" passkey_routes = pg_catalog.array_remove(passkey_routes, :route) WHERE id = :id"
};

static Statement set_has_password = {
	.sql = "UPDATE anon_auth.users SET has_password = :has_password, updated_at = :now"
	" WHERE id = :id"
};

/* purge_from is the time from which purge() tries; it may postpone that. */
static Statement set_delete_at = {
	.sql = "UPDATE anon_auth.users SET delete_at = :delete_at,"
	" purge_from = coalesce(:delete_at, purge_from), updated_at = :now WHERE id = :id"
};

static Statement set_roles = {
	.sql = "UPDATE anon_auth.users SET roles = coalesce(:roles, '{}'), updated_at = :now"
	" WHERE id = :id"
};

static Statement set_disabled = {
	.sql = "UPDATE anon_auth.users SET is_disabled = :disabled, updated_at = :now"
	" WHERE id = :id AND is_disabled <> :disabled"
};

void
users_insert_guest(const pg_uuid_t *id, const char *device_kid, TimestampTz purge_from,
				   TimestampTz now)
{
	statement_run(&insert_guest, PARAMS(param_uuid("id", id), param_timestamp("now", now),
										param_text("device_kid", device_kid),
										param_timestamp("purge_from", purge_from)));
}

bool
users_lock(const pg_uuid_t *id)
{
	return statement_run(&lock_user, PARAMS(param_uuid("id", id))) > 0;
}

bool
users_lock_and_find(const pg_uuid_t *id, User *user)
{
	return statement_fetch(&lock_and_find_user, PARAMS(param_uuid("id", id)), user);
}

bool
users_begin_revocation(const pg_uuid_t *id)
{
	return statement_run(&begin_revocation, PARAMS(param_uuid("id", id))) > 0;
}

bool
users_keep(const pg_uuid_t *id)
{
	return statement_run(&keep_user, PARAMS(param_uuid("id", id))) > 0;
}

bool
users_find(const pg_uuid_t *id, User *user)
{
	return statement_fetch(&find_user, PARAMS(param_uuid("id", id)), user);
}

bool
users_lock_guest(const pg_uuid_t *id, User *user)
{
	return statement_fetch(&lock_guest, PARAMS(param_uuid("id", id)), user);
}

bool
users_lock_for_deletion(const pg_uuid_t *id, User *user)
{
	return statement_fetch(&lock_for_deletion, PARAMS(param_uuid("id", id)), user);
}

bool
users_find_state(const pg_uuid_t *id, User *user)
{
	return statement_fetch(&find_user_state, PARAMS(param_uuid("id", id)), user);
}

bool
users_log_in(const pg_uuid_t *id, TimestampTz now, User *user)
{
	return statement_fetch(&log_in_user,
						   PARAMS(param_uuid("id", id), param_timestamp("now", now)), user);
}

void
users_touch(const User *user, TimestampTz now)
{
	TimestampTz seen_before = now - TOUCH_INTERVAL;

	if (user->last_seen_at < seen_before)
		statement_run(&touch_user,
					  PARAMS(param_uuid("id", &user->id), param_timestamp("now", now),
							 param_timestamp("seen_before", seen_before)));
}

/* Whether the user is a guest that only a session leads to, and not due yet. */
static bool
needs_session(Statement *statement, const pg_uuid_t *id, TimestampTz now)
{
	GuestWayBack guest;

	return statement_fetch(statement, PARAMS(param_uuid("id", id)), &guest) &&
		guest.is_anonymous && guest.device_kid == NULL && guest.purge_from > now &&
		ArrayGetNItems(ARR_NDIM(guest.passkey_routes), ARR_DIMS(guest.passkey_routes)) == 0;
}

bool
users_need_session(const pg_uuid_t *id, TimestampTz now)
{
	return needs_session(&find_way_back, id, now);
}

void
users_make_due(const pg_uuid_t *id, TimestampTz now)
{
	if (needs_session(&lock_way_back, id, now))
		statement_run(&make_due, PARAMS(param_uuid("id", id), param_timestamp("now", now)));
}

void
users_make_orphan_due(const pg_uuid_t *id, TimestampTz now)
{
	statement_run(&make_orphan_due, PARAMS(param_uuid("id", id), param_timestamp("now", now)));
}

bool
users_promote(const pg_uuid_t *id, const AccountState *state, TimestampTz now, User *user)
{
	return statement_fetch(&promote_guest,
						   PARAMS(param_uuid("id", id), param_record(&account_state_record, state),
								  param_timestamp("now", now)),
						   user);
}

bool
users_insert_account(const pg_uuid_t *id, const AccountState *state, TimestampTz now, User *user)
{
	return statement_fetch(&insert_account,
						   PARAMS(param_uuid("id", id),
								  param_record(&account_state_record, state),
								  param_timestamp("now", now)),
						   user);
}

bool
users_import_account(const pg_uuid_t *id, const AccountState *state, const ImportedState *imported,
					 TimestampTz now)
{
	return statement_run(&import_account,
						 PARAMS(param_uuid("id", id),
								param_bool("is_disabled", imported->is_disabled),
								param_timestamp("created_at", imported->created_at),
								param_record(&account_state_record, state),
								param_jsonb("imported_attributes", imported->standard_attributes),
								param_jsonb("custom_attributes", imported->custom_attributes),
								param_text_list("roles", &imported->roles),
								param_timestamp("now", now))) > 0;
}

void
users_set_attributes(const pg_uuid_t *id, Jsonb *standard_attributes,
					 const StringList *removed_standard, Jsonb *custom_attributes,
					 const StringList *removed_custom, TimestampTz now, User *user)
{
	statement_fetch(&set_attributes,
					PARAMS(param_uuid("id", id), param_timestamp("now", now),
						   param_jsonb("standard_attributes", standard_attributes),
						   param_text_list("removed_standard", removed_standard),
						   param_jsonb("custom_attributes", custom_attributes),
						   param_text_list("removed_custom", removed_custom)),
					user);
}

void
users_remove_login_id(const pg_uuid_t *id, const pg_uuid_t *route, const char *attribute,
					  const char *value, const char *next_value, TimestampTz now)
{
	StringInfoData next;

	initStringInfo(&next);
	json_open(&next);
	if (next_value != NULL)
		json_add_string(&next, attribute, next_value);
	json_close(&next);
	statement_run(&remove_login_id,
				  PARAMS(param_uuid("id", id), param_uuid("route", route),
						 param_text("attribute", attribute), param_text("value", value),
						 param_jsonb("next_attribute", json_to_jsonb(next.data)),
						 param_timestamp("now", now)));
}

void
users_add_login_id(const pg_uuid_t *id, const pg_uuid_t *route, const char *attribute,
				   const char *value, TimestampTz now)
{
	statement_run(&add_login_id,
				  PARAMS(param_uuid("id", id), param_uuid("route", route),
						 param_text("attribute", attribute), param_text("value", value),
						 param_timestamp("now", now)));
}

void
users_set_verified(const pg_uuid_t *id, bool verified, TimestampTz now)
{
	statement_run(&set_verified, PARAMS(param_uuid("id", id), param_bool("verified", verified),
										param_timestamp("now", now)));
}

void
users_add_identity(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&add_identity, PARAMS(param_uuid("id", id), param_uuid("route", route),
										param_timestamp("now", now)));
}

void
users_remove_identity(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&remove_identity, PARAMS(param_uuid("id", id), param_uuid("route", route),
										   param_timestamp("now", now)));
}

void
users_add_device_key(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&add_device_key, PARAMS(param_uuid("id", id), param_uuid("route", route),
										  param_timestamp("now", now)));
}

bool
users_have_passkeys(const User *user)
{
	const ArrayType *routes = user->passkey_routes;
	User		whole;

	/* The columns of every call do not have them, because few calls ask. */
	if (routes == NULL)
	{
		if (!users_find(&user->id, &whole))
			return false;
		routes = whole.passkey_routes;
	}
	return ArrayGetNItems(ARR_NDIM(routes), ARR_DIMS(routes)) > 0;
}

void
users_add_passkey(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&add_passkey, PARAMS(param_uuid("id", id), param_uuid("route", route),
									   param_timestamp("now", now)));
}

void
users_remove_passkey(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&remove_passkey, PARAMS(param_uuid("id", id), param_uuid("route", route),
										  param_timestamp("now", now)));
}

void
users_remove_device_key(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now)
{
	statement_run(&remove_device_key, PARAMS(param_uuid("id", id), param_uuid("route", route),
											 param_timestamp("now", now)));
}

void
users_set_has_password(const pg_uuid_t *id, bool has_password, TimestampTz now)
{
	statement_run(&set_has_password, PARAMS(param_uuid("id", id),
											param_bool("has_password", has_password),
											param_timestamp("now", now)));
}

void
users_set_delete_at(const pg_uuid_t *id, TimestampTz delete_at, TimestampTz now)
{
	NamedParam	param = param_timestamp("delete_at", delete_at);

	param.is_null = delete_at == 0;
	statement_run(&set_delete_at,
				  PARAMS(param_uuid("id", id), param, param_timestamp("now", now)));
}

void
users_set_roles(const pg_uuid_t *id, const StringList *roles, TimestampTz now)
{
	statement_run(&set_roles, PARAMS(param_uuid("id", id), param_text_list("roles", roles),
									 param_timestamp("now", now)));
}

bool
users_set_disabled(const pg_uuid_t *id, bool disabled, TimestampTz now)
{
	return statement_run(&set_disabled, PARAMS(param_uuid("id", id),
											   param_bool("disabled", disabled),
											   param_timestamp("now", now))) > 0;
}

pg_uuid_t
users_new_id(const pg_uuid_t *route, TimestampTz now)
{
	return placement_current()->new_user_id(route, now);
}
