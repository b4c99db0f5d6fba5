/*-------------------------------------------------------------------------
 *
 * passkeys.h
 *	  The table anon_auth.passkeys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSKEYS_H
#define ANON_AUTH_PASSKEYS_H

#include "postgres.h"

#include "base/span.h"
#include "store/record.h"
#include "store/users.h"

/* used_challenges is the window of src/token. */
#define PASSKEY_COLUMNS(COLUMN) \
	COLUMN(BYTEA, credential_id) \
	COLUMN(UUID, user_id) \
	COLUMN(TEXT, alg) \
	COLUMN(JSONB, jwk) \
	COLUMN(INT8, sign_count) \
	COLUMN(BOOL, is_backup_eligible) \
	COLUMN(BOOL, is_backed_up) \
	COLUMN(TEXT_LIST, transports) \
	COLUMN(TEXT, name) \
	COLUMN(BYTEA, used_challenges)

#define PASSKEY_ROW_COLUMNS(COLUMN) \
	PASSKEY_COLUMNS(COLUMN) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, last_used_at)

typedef struct Passkey
{
	PASSKEY_ROW_COLUMNS(RECORD_FIELD)
} Passkey;

/* The id of a passkey as a bytea, and the reverse without a copy. */
extern bytea *passkeys_id_of(Span credential_id);
extern Span passkeys_id(const Passkey *passkey);

/* The route (see route.h) of a passkey. */
extern pg_uuid_t passkeys_route(const bytea *credential_id);

/* False if there is none with this id. */
extern bool passkeys_find(const bytea *credential_id, Passkey *passkey);

/* The passkeys of a user, palloc'd, the oldest first. */
extern Passkey *passkeys_of(const User *user, int *count);

/*
 * Insert a passkey; its times are not read.  False if there is one with its id.  Waits for a
 * concurrent insert of it.  The caller holds the user's row, and adds the route to it.
 */
extern bool passkeys_insert(const Passkey *passkey, TimestampTz now);

/*
 * Store what a login has changed.  passkey is as it was read.  False if another transaction
 * changed the row meanwhile, or the passkey is gone.
 */
extern bool passkeys_use(const Passkey *passkey, bytea *used_challenges, int64 sign_count,
						 bool is_backed_up, TimestampTz now);

/* Delete a passkey.  False if it is gone. */
extern bool passkeys_delete(const Passkey *passkey);

#endif							/* ANON_AUTH_PASSKEYS_H */
