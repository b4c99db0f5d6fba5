/*-------------------------------------------------------------------------
 *
 * login_ids.h
 *	  The table anon_auth.login_ids: email addresses, phone numbers, user names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_IDS_H
#define ANON_AUTH_LOGIN_IDS_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "store/record.h"
#include "store/users.h"

#define RECORD_C_LOGIN_ID_TYPE(name)	LoginIdType name
#define RECORD_KIND_LOGIN_ID_TYPE		RECORD_ENUM(login_id_type_names)

extern const EnumNames login_id_type_names;

#define LOGIN_ID_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(LOGIN_ID_TYPE, type) \
	COLUMN(TEXT, value)				/* normalised */ \
	COLUMN(TEXT, original_value)	/* as it was given */ \
	COLUMN(TIMESTAMP, verified_at)	/* 0: it is not */ \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, updated_at)

typedef struct LoginIdRow
{
	LOGIN_ID_COLUMNS(RECORD_FIELD)
	bool		verified;		/* verified_at is not 0 */
} LoginIdRow;

/* The route (see route.h) of a login ID. */
extern pg_uuid_t login_ids_route(const LoginId *login_id);

/* Find the user who has a login ID.  False if nobody has it. */
extern bool login_ids_owner(const LoginId *login_id, pg_uuid_t *user_id);

/* Read the row of a login ID.  False if nobody has it. */
extern bool login_ids_find(const LoginId *login_id, LoginIdRow *row);

/* False if somebody has it already.  Waits for a concurrent insert of it. */
extern bool login_ids_insert(const LoginId *login_id, const pg_uuid_t *user_id, bool verified,
							 TimestampTz now);

/*
 * Delete a login ID of a user, unless it is verified.  False if the user does not have it,
 * or has verified it.
 */
extern bool login_ids_delete_unverified(const LoginId *login_id, const pg_uuid_t *user_id);

/* Delete a login ID of a user, verified or not. */
extern void login_ids_delete(const LoginId *login_id, const pg_uuid_t *user_id);

/* Return whether the user's row names the login ID.  It does exactly if the user has it. */
extern bool login_ids_belong_to(const User *user, const LoginId *login_id);

/* The login IDs of a user, palloc'd, the oldest first. */
extern LoginIdRow *login_ids_of(const User *user, int *count);

/*
 * Mark one login ID as verified.  original_value is the spelling that was proven.  The
 * caller holds the row of the user who has it.
 */
extern void login_ids_set_proven(const LoginId *login_id, const char *original_value,
								 TimestampTz now);

#endif							/* ANON_AUTH_LOGIN_IDS_H */
