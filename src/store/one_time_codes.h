/*-------------------------------------------------------------------------
 *
 * one_time_codes.h
 *	  The table anon_auth.one_time_codes: codes that verify a login ID or let its
 *	  owner choose another password.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ONE_TIME_CODES_H
#define ANON_AUTH_ONE_TIME_CODES_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/record.h"

typedef enum CodePurpose
{
	CODE_VERIFICATION,
	CODE_PASSWORD_RESET
} CodePurpose;

extern const EnumNames code_purpose_names;

#define RECORD_C_CODE_PURPOSE(name)	CodePurpose name
#define RECORD_KIND_CODE_PURPOSE	RECORD_ENUM(code_purpose_names)

/* A user has one code for each of these at most. */
#define ONE_TIME_CODE_KEY_COLUMNS(COLUMN) \
	COLUMN(UUID, user_id) \
	COLUMN(CODE_PURPOSE, purpose) \
	COLUMN(LOGIN_ID_TYPE, login_id_type)

typedef struct OneTimeCodeKey
{
	ONE_TIME_CODE_KEY_COLUMNS(RECORD_FIELD)
} OneTimeCodeKey;

#define ONE_TIME_CODE_COLUMNS(COLUMN) \
	COLUMN(HASH, code_hash) \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, expires_at)

typedef struct OneTimeCode
{
	ONE_TIME_CODE_COLUMNS(RECORD_FIELD)
} OneTimeCode;

/* Store a code in the place of an earlier one. */
extern void one_time_codes_replace(const OneTimeCodeKey *key, const OneTimeCode *code);

/* Read the code unless it has expired.  False if there is none. */
extern bool one_time_codes_find(const OneTimeCodeKey *key, TimestampTz now, OneTimeCode *code);

/* Delete the code that was made at a time.  False if it is gone, or replaced. */
extern bool one_time_codes_delete(const OneTimeCodeKey *key, TimestampTz created_at);

/* Delete all codes of a user, for every purpose. */
extern void one_time_codes_delete_all(const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_ONE_TIME_CODES_H */
