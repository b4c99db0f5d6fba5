/*-------------------------------------------------------------------------
 *
 * store.h
 *	  What the domain asks of the tables, one section a table.
 *
 * Times and random values are passed in, never computed by SQL, and every
 * statement names the routing key of the rows it touches, so that the same
 * statements run where the tables are distributed.
 *
 * Lock order, to be kept by callers: device key, user, one-time code, sessions,
 * authorization codes, login IDs.  An account comes before all of a guest that is merged into it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STORE_H
#define ANON_AUTH_STORE_H

#include "postgres.h"

#include "base/uuid.h"
#include "login_id/login_id.h"
#include "store/settings.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define SECRET_HASH_LENGTH	32	/* SHA-256 */

/* ---- clients ---- */

typedef enum ApplicationType
{
	APPLICATION_SPA,
	APPLICATION_TRADITIONAL_WEBAPP,
	APPLICATION_NATIVE,
	APPLICATION_CONFIDENTIAL,
	APPLICATION_THIRD_PARTY_APP,
	APPLICATION_M2M
} ApplicationType;

typedef struct Client
{
	char	   *client_id;
	char	   *name;
	ApplicationType type;
	StringList	redirect_uris;
	int			access_token_lifetime;	/* seconds, as all below */
	int			refresh_token_lifetime;
	int			refresh_token_idle_timeout; /* 0: none */
	bool		rotation;
	int			rotation_grace;
	int			max_concurrent_sessions;
} Client;

extern bool client_find(const char *client_id, Client *client);

/* Whether some client may send browsers there after logout. */
extern bool clients_have_post_logout_redirect_uri(const char *uri);

/* Whether a redirect URI of some client has this origin (RFC 6454). */
extern bool clients_have_origin(const char *origin);

/* The longest lifetime of any client's access tokens, in seconds; 0: none. */
extern int	clients_longest_access_token(void);

/* ---- users ---- */

typedef struct User
{
	pg_uuid_t	id;
	bool		is_anonymous;
	bool		is_disabled;
	bool		is_verified;
	TimestampTz created_at;
	TimestampTz updated_at;
	TimestampTz last_seen_at;
	char	   *device_kid;
	Datum		login_id_routes;	/* uuid[] */
	Jsonb	   *standard_attributes;
	Jsonb	   *custom_attributes;
} User;

/*
 * The id of a new user: a UUIDv7.  route is what its device key is found by, or
 * NULL; where rows are distributed, both then belong to the same shard.
 */
extern pg_uuid_t user_new_id(const pg_uuid_t *route, TimestampTz now);

/* purge_from: see the column. */
extern void user_insert_guest(const pg_uuid_t *id, const char *device_kid,
							  TimestampTz purge_from, TimestampTz now);
extern bool user_find(const pg_uuid_t *id, User *user);

/*
 * Marks a user that is not disabled as seen, and holds its row, so that a
 * concurrent disabling waits.  False: disabled or gone.
 */
extern bool user_log_in(const pg_uuid_t *id, TimestampTz now, User *user);

/* Holds a user's row, as user_log_in() does, without changing it. */
extern bool user_lock(const pg_uuid_t *id);

/* Keep a user from being deleted, and wait for nothing else; false if it is gone. */
extern bool user_keep(const pg_uuid_t *id);

/*
 * Holds the row of a guest that is about to be deleted: nothing can come to
 * refer to it any more.  False: no guest any more, disabled or gone.
 */
extern bool user_lock_guest(const pg_uuid_t *id, User *user);

/* user_log_in() without waiting: for refreshes, exact to the hour. */
extern void user_touch(const User *user, TimestampTz now);

/*
 * A session of the user has been deleted: tells purge() where that was the last
 * one of a guest without a device key, whom nobody can come back to.
 */
extern void user_orphaned(const pg_uuid_t *id, TimestampTz now);

/* False when the user is no guest any more, or disabled, or gone. */
extern bool user_promote(const pg_uuid_t *id, Datum login_id_routes,
						 Jsonb *standard_attributes, TimestampTz now, User *user);
extern void user_set_verified(const pg_uuid_t *id, TimestampTz now);
extern bool user_set_disabled(const pg_uuid_t *id, bool disabled, TimestampTz now);

/* Holds a user's row for user_deletion_delete(). */
extern bool user_lock_for_deletion(const pg_uuid_t *id, User *user);

/* ---- device keys ---- */

/* A device key is known by its kid and its thumbprint: others may have the kid. */
typedef struct DeviceKey
{
	const char *kid;
	const char *thumbprint;
	pg_uuid_t	user_id;
	const char *alg;
	Jsonb	   *jwk;
	bytea	   *used_challenges;
} DeviceKey;

extern pg_uuid_t device_key_route(const char *kid);
extern bool device_key_find(const char *kid, const char *thumbprint, DeviceKey *key);

/* The keys with a kid that registered first, at most so many.  Returns how many. */
#define DEVICE_KEYS_OF_KID	4
extern int	device_keys_find(const char *kid, DeviceKey keys[DEVICE_KEYS_OF_KID]);

/* False when the key is there already; waits for a concurrent insert of it. */
extern bool device_key_insert(const DeviceKey *key, TimestampTz now);

/* False when somebody else changed used_challenges, or the key is gone. */
extern bool device_key_replace_challenges(const DeviceKey *key, bytea *used_challenges,
										  TimestampTz now);

/*
 * Removes a user's key, leaving behind the challenges that it has used.  Does
 * nothing where there is no such key, or where it has signed up again and is
 * somebody else's by now.
 */
extern void device_key_remove(const char *kid, const pg_uuid_t *user_id, TimestampTz now);

/* What device_key_remove() left behind, as is committed by now, or NULL. */
extern bytea *removed_device_key_challenges(const DeviceKey *key);

/* ---- sessions ---- */

typedef enum SessionType
{
	SESSION_REFRESH_TOKEN,
	SESSION_COOKIE
} SessionType;

typedef struct Session
{
	pg_uuid_t	user_id;
	pg_uuid_t	id;
	char	   *client_id;		/* NULL only for cookie sessions */
	uint8		secret_hash[SECRET_HASH_LENGTH];
	int			generation;
	TimestampTz rotated_at;		/* 0: never */
	TimestampTz created_at;
	TimestampTz authenticated_at;
	TimestampTz expires_at;
} Session;

extern void session_insert(const Session *session, SessionType type, Jsonb *device_info);

/* A session that has not expired, with its user's state; takes no lock. */
extern bool session_find(const pg_uuid_t *user_id, const pg_uuid_t *id,
						 TimestampTz now, Session *session, User *user);

/*
 * Marks a live session as used and moves its expiry; fills session with what
 * the row then holds.  With rotate the generation moves on by one where it is
 * the presented one.  An older one is left to session.c in src/domain.  One
 * that is ahead comes from a refresh that was rolled back: false.
 */
extern bool session_use(const pg_uuid_t *user_id, const pg_uuid_t *id,
						TimestampTz expires_at, bool rotate, int presented_generation,
						TimestampTz now, Session *session, User *user);
extern bool session_delete(const pg_uuid_t *user_id, const pg_uuid_t *id);

/*
 * End a session at once, whatever becomes of this transaction: its row is to be
 * deleted, and if that is rolled back, session_find() does not find it all the
 * same.
 */
extern void session_revoke_at_once(const Session *session, TimestampTz now);
extern bool session_is_revoked(const pg_uuid_t *id);

/* Same for one that is alive and has this secret, telling whose client it was. */
extern bool session_delete_with_secret(const pg_uuid_t *user_id, const pg_uuid_t *id,
									   const uint8 secret_hash[SECRET_HASH_LENGTH],
									   TimestampTz now, char **client_id);

/* All sessions of a user; whether this one was among them. */
extern bool sessions_delete_with(const pg_uuid_t *user_id, const pg_uuid_t *id);

/* Of one client, or of all with client_id NULL.  Returns how many. */
extern uint64 sessions_delete(const pg_uuid_t *user_id, const char *client_id);

/* ---- login IDs and passwords ---- */

typedef struct LoginIdRow
{
	LoginIdType type;
	char	   *value;
	char	   *original_value;
	bool		verified;
	TimestampTz created_at;
	TimestampTz updated_at;
} LoginIdRow;

extern pg_uuid_t login_id_route(const LoginId *login_id);
extern bool login_id_owner(const LoginId *login_id, pg_uuid_t *user_id);
extern bool login_id_insert(const LoginId *login_id, const pg_uuid_t *user_id, TimestampTz now);
extern LoginIdRow *login_ids_of(const User *user, int *count);

/* Of the user's login ID of a type, unless it is verified already. */
extern void login_id_set_verified(const User *user, LoginIdType type, TimestampTz now);

typedef struct PasswordRow
{
	char	   *hash;
	TimestampTz created_at;
	TimestampTz updated_at;
} PasswordRow;

extern bool password_find(const pg_uuid_t *user_id, PasswordRow *password);
extern void password_insert(const pg_uuid_t *user_id, const char *hash, TimestampTz now);
extern void password_set(const pg_uuid_t *user_id, const char *hash, TimestampTz now);
extern void password_replace(const pg_uuid_t *user_id, const char *old_hash,
							 const char *hash, TimestampTz now);

/* ---- one-time codes and the outbox ---- */

typedef enum CodePurpose
{
	CODE_VERIFICATION,
	CODE_PASSWORD_RESET
} CodePurpose;

/* What there is one code for. */
typedef struct OneTimeCodeKey
{
	pg_uuid_t	user_id;
	CodePurpose purpose;
	LoginIdType login_id_type;
} OneTimeCodeKey;

extern void one_time_code_replace(const OneTimeCodeKey *key, const uint8 *code_hash,
								  TimestampTz expires_at, TimestampTz now);

typedef struct OneTimeCode
{
	uint8		code_hash[SECRET_HASH_LENGTH];
	TimestampTz created_at;
	TimestampTz expires_at;
} OneTimeCode;

/* The live code, or false. */
extern bool one_time_code_find(const OneTimeCodeKey *key, TimestampTz now, OneTimeCode *code);

/* Delete the code that was made then; false if it has gone. */
extern bool one_time_code_delete(const OneTimeCodeKey *key, TimestampTz created_at);

/* All of a user, whatever they are for. */
extern void one_time_codes_delete(const pg_uuid_t *user_id);

/* A row of the outbox. */
typedef struct OutboxMessage
{
	pg_uuid_t	user_id;
	pg_uuid_t	id;
	char	   *type;
	char	   *login_id_type;
	char	   *recipient;
	bytea	   *sealed_code;
	TimestampTz created_at;
	TimestampTz expires_at;
} OutboxMessage;

/*
 * Takes out the oldest messages that nobody else is taking, at most limit, and
 * returns those that have not expired, the oldest first.
 */
extern OutboxMessage *outbox_take(int limit, TimestampTz now, int *count);

/* For implementations: the columns of alias "o", and a row of them. */
#define OUTBOX_MESSAGE_COLUMNS \
	"o.user_id, o.id, o.type, o.login_id_type, o.recipient, o.sealed_code, o.created_at, o.expires_at"
struct StoreRow;
extern void outbox_message_fill(OutboxMessage *message, const struct StoreRow *row);

/* The operation of placement.h where this database has all rows. */
extern OutboxMessage *outbox_take_locally(int limit, TimestampTz now, int *count);

/*
 * Puts a message into the outbox, and tells workers when it is committed.  Types
 * are those of the code's key.
 */
extern void outbox_put(const OneTimeCodeKey *key, const OutboxMessage *message);

/* Tells workers only, as if there were a message. */
extern void outbox_notify(void);

/* ---- authorization codes ---- */

typedef struct AuthorizationCode
{
	pg_uuid_t	user_id;
	char	   *client_id;
	char	   *redirect_uri;
	char	   *code_challenge;
	char	   *nonce;			/* may be NULL */
	TimestampTz authenticated_at;
	TimestampTz expires_at;
} AuthorizationCode;

extern void authorization_code_insert(const uint8 *code_hash, const AuthorizationCode *code);

/* Both are false when this user has none; taking it away leaves none. */
extern bool authorization_code_find(const pg_uuid_t *user_id, const uint8 *code_hash,
									AuthorizationCode *code);
extern bool authorization_code_take(const pg_uuid_t *user_id, const uint8 *code_hash);
extern void authorization_codes_delete(const pg_uuid_t *user_id);

/* ---- signing keys ---- */

typedef struct SigningKeyRow
{
	char	   *kid;
	char	   *alg;
	char	   *state;
	Jsonb	   *public_jwk;
	bytea	   *sealed_private_key;
	char	   *master_key_id;
	TimestampTz created_at;
	TimestampTz verify_until;	/* DT_NOEND where there is none */
} SigningKeyRow;

/* kid NULL: the newest active key.  Of the key, fills kid, alg, state and the
 * times only: what tells whether a cached key is still right. */
extern bool signing_key_peek(const char *kid, SigningKeyRow *key);
extern bool signing_key_find(const char *kid, SigningKeyRow *key);
extern bool signing_key_insert(const SigningKeyRow *key);

/* Active keys and those retiring that still verify, newest first. */
extern SigningKeyRow *signing_keys_published(TimestampTz now, int *count);

/* All active keys but one become retiring, to verify until the given time. */
extern void signing_keys_begin_retiring(const char *kid, TimestampTz now,
										TimestampTz verify_until);

/* Those retiring that verify no longer become retired. */
extern void signing_keys_end_retiring(TimestampTz now);

/* False when there is no such key. */
extern bool signing_key_retire(const char *kid);

extern bool signing_keys_exist(void);

/* Those sealed with another master key than the given one, in any state. */
extern SigningKeyRow *signing_keys_not_sealed_with(const char *master_key_id, int *count);

/* How many a master key has sealed, as of now whatever the isolation level. */
extern uint64 signing_keys_sealed_with(const char *master_key_id);

/* Stores sealed_private_key and master_key_id of a key. */
extern void signing_key_reseal(const SigningKeyRow *key);

/* Lets one transaction at a time decide whether a first key is needed. */
extern void signing_keys_lock(void);

/* Waits for who holds that, and lets nobody have it until this one's end. */
extern void signing_keys_lock_for_insert(void);

/* Whether this transaction has changed rows, and could take that back. */
extern bool signing_keys_changed_here(void);

/* Which master keys seal signing keys, each once; palloc'd. */
extern char **signing_keys_master_key_ids(int *count);

/* ---- events ---- */

/* Whether the settings want events of this type. */
extern bool event_is_kept(const char *type);

/* user_id NULL: no user is known.  client_id and payload may be NULL. */
extern void event_insert(const char *type, const pg_uuid_t *user_id,
						 const char *client_id, Jsonb *payload, TimestampTz now);

#endif							/* ANON_AUTH_STORE_H */
