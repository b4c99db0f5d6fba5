/*-------------------------------------------------------------------------
 *
 * users.h
 *	  The table anon_auth.users: guests and accounts.
 *
 * user_deletion.h has the functions that delete users.
 *
 * A transaction that gives a user a way to log in, or takes one away, updates the user's
 * row: a session, a password, a proof of an address, an identity, a device key, or the
 * account's being enabled.  At REPEATABLE READ, a transaction with an older snapshot still
 * reads the former password or session.  It fails with 40001 when it locks or updates the
 * user's row, but only if that row was updated: a lock that another transaction has
 * released leaves no trace.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USERS_H
#define ANON_AUTH_USERS_H

#include "postgres.h"

#include "store/record.h"

/* The columns that every call for a session needs. */
#define USER_STATE_COLUMNS(COLUMN) \
	COLUMN(UUID, id) \
	COLUMN(BOOL, is_anonymous) \
	COLUMN(BOOL, is_disabled) \
	COLUMN(BOOL, is_verified) \
	COLUMN(BOOL, has_password) \
	COLUMN(TIMESTAMP, last_seen_at) \
	COLUMN(TEXT, device_kid)	/* of guests only, and not of all */ \
	COLUMN(TEXT_LIST, roles)

#define USER_COLUMNS(COLUMN) \
	USER_STATE_COLUMNS(COLUMN) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, updated_at) \
	COLUMN(TIMESTAMP, delete_at)	/* 0: not scheduled */ \
	COLUMN(UUID_ARRAY, login_id_routes) \
	COLUMN(UUID_ARRAY, identity_routes) \
	COLUMN(UUID_ARRAY, device_key_routes)	/* of an account's keys */ \
	COLUMN(UUID_ARRAY, passkey_routes) \
	COLUMN(JSONB, standard_attributes) \
	COLUMN(JSONB, custom_attributes)

/* Where only the state was read, the other fields are zero. */
typedef struct User
{
	USER_COLUMNS(RECORD_FIELD)
} User;

/*
 * The id of a new user: a UUIDv7.  route is that of its device key (see route.h), or
 * NULL; where rows are distributed, both then belong to the same shard.
 */
extern pg_uuid_t users_new_id(const pg_uuid_t *route, TimestampTz now);

/* Insert a guest.  device_kid may be NULL.  For purge_from see the column's comment. */
extern void users_insert_guest(const pg_uuid_t *id, const char *device_kid,
							   TimestampTz purge_from, TimestampTz now);

/* Read a user without a lock.  False if there is none. */
extern bool users_find(const pg_uuid_t *id, User *user);

/* Same, only with the columns that every call for a session needs. */
extern bool users_find_state(const pg_uuid_t *id, User *user);

/*
 * Mark a user as seen, and lock its row, so that a concurrent disabling waits.
 * False if the user is disabled or gone.
 */
extern bool users_log_in(const pg_uuid_t *id, TimestampTz now, User *user);

/*
 * Lock a user's row as users_log_in() does, without a change.  False if it is gone.
 * This is not enough for a transaction that takes a way to log in away: see the
 * beginning of this file.
 */
extern bool users_lock(const pg_uuid_t *id);

/* Same, and read the locked row. */
extern bool users_lock_and_find(const pg_uuid_t *id, User *user);

/*
 * Lock a user's row before sessions or credentials are taken away, and change it, so
 * that transactions with an older snapshot fail.  False if it is gone.
 */
extern bool users_begin_revocation(const pg_uuid_t *id);

/*
 * Keep a user from being deleted; this waits for nothing but deletions.  False if
 * it is gone.
 */
extern bool users_keep(const pg_uuid_t *id);

/*
 * Lock the row of a guest that is about to be deleted, against new references too.
 * False if the user is disabled, gone, or an account by now.
 */
extern bool users_lock_guest(const pg_uuid_t *id, User *user);

/* Lock the row of a user that the caller will delete.  False if it is gone. */
extern bool users_lock_for_deletion(const pg_uuid_t *id, User *user);

/*
 * Mark a user as seen, for a refresh: exact to the hour, and skipped if another
 * transaction holds the row.
 */
extern void users_touch(const User *user, TimestampTz now);

/*
 * Whether the user is a guest without a device key and without a passkey, so that only a
 * session leads to it, and purge() must not delete it yet.
 */
extern bool users_need_session(const pg_uuid_t *id, TimestampTz now);

/*
 * Let purge() delete such a guest from now on.  Skipped if another transaction holds the row.
 */
extern void users_make_due(const pg_uuid_t *id, TimestampTz now);

/* Same, if the guest has no live session, in one statement. */
extern void users_make_orphan_due(const pg_uuid_t *id, TimestampTz now);

/* What a guest gets when it becomes an account, and what a new account has. */
#define ACCOUNT_STATE_COLUMNS(COLUMN) \
	COLUMN(BOOL, is_verified) \
	COLUMN(BOOL, has_password) \
	COLUMN(UUID_ARRAY, login_id_routes) \
	COLUMN(JSONB, standard_attributes)

typedef struct AccountState
{
	ACCOUNT_STATE_COLUMNS(RECORD_FIELD)
} AccountState;

/* Make a guest an account.  False if the user is disabled, gone, or an account already. */
extern bool users_promote(const pg_uuid_t *id, const AccountState *state, TimestampTz now,
						  User *user);

/* Insert an account, and fill user with its row.  False if there is a user with this id. */
extern bool users_insert_account(const pg_uuid_t *id, const AccountState *state, TimestampTz now,
								 User *user);

/* What an imported account has besides. */
typedef struct ImportedState
{
	bool		is_disabled;
	Jsonb	   *standard_attributes;
	Jsonb	   *custom_attributes;
	StringList	roles;
	TimestampTz created_at;
} ImportedState;

/* Insert an account of another system.  False if the user exists. */
extern bool users_import_account(const pg_uuid_t *id, const AccountState *state,
								 const ImportedState *imported, TimestampTz now);

/* Add the route of a login ID to a user's row, and its attribute unless there is one. */
extern void users_add_login_id(const pg_uuid_t *id, const pg_uuid_t *route,
							   const char *attribute, const char *value, TimestampTz now);

/*
 * Remove the route of a login ID from a user's row.  If the attribute of that name has that
 * value, it gets next_value, or is removed if that is NULL.
 */
extern void users_remove_login_id(const pg_uuid_t *id, const pg_uuid_t *route,
								  const char *attribute, const char *value,
								  const char *next_value, TimestampTz now);

/*
 * Set and remove members of a user's attributes, and fill user with its row.  The lists name
 * the members to remove.
 */
extern void users_set_attributes(const pg_uuid_t *id, Jsonb *standard_attributes,
								 const StringList *removed_standard, Jsonb *custom_attributes,
								 const StringList *removed_custom, TimestampTz now, User *user);

/* Say whether the user has a row in passwords.  Updates the row even if that is known. */
extern void users_set_has_password(const pg_uuid_t *id, bool has_password, TimestampTz now);

extern void users_set_verified(const pg_uuid_t *id, bool verified, TimestampTz now);

/* Add the route of an identity to identity_routes, or remove it. */
extern void users_add_identity(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);
extern void users_remove_identity(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);

/* Add the route of a device key of an account to device_key_routes, or remove it. */
extern void users_add_device_key(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);
extern void users_remove_device_key(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);

/* Return whether a user has passkeys.  user may be one of which only the state was read. */
extern bool users_have_passkeys(const User *user);

/*
 * Add the route of a passkey to passkey_routes, or remove it.  A guest with a passkey can log
 * in again: what purge_from of a guest means changes with the first and the last one.
 */
extern void users_add_passkey(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);
extern void users_remove_passkey(const pg_uuid_t *id, const pg_uuid_t *route, TimestampTz now);

/* Let purge() delete an account from this time on, or not at all if it is 0. */
extern void users_set_delete_at(const pg_uuid_t *id, TimestampTz delete_at, TimestampTz now);

extern void users_set_roles(const pg_uuid_t *id, const StringList *roles, TimestampTz now);

/* False if nothing was to change. */
extern bool users_set_disabled(const pg_uuid_t *id, bool disabled, TimestampTz now);

#endif							/* ANON_AUTH_USERS_H */
