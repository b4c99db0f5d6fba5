/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The row of anon_auth.settings, as one struct for each purpose.
 *
 * The fields of the structs are columns of the table and have their names,
 * units and limits: settings.list has them all.  An integer that is null in the
 * table is 0 here, which means no limit or the built-in value.  Other fields that
 * are null are NULL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_H
#define ANON_AUTH_SETTINGS_H

#include "postgres.h"

#include "generated/settings_columns.h"
#include "login_id/login_id.h"
#include "login_id/password_policy.h"
#include "store/record.h"

/*
 * The settings that most calls need; see settings_get().  audience is never
 * NULL.  event_types.items is NULL if all types are kept.
 */
typedef struct Settings
{
	SETTINGS_COLUMNS(RECORD_FIELD)
} Settings;

/* The settings of password logins. */
typedef struct AttemptPolicy
{
	ATTEMPT_POLICY_COLUMNS(RECORD_FIELD)
} AttemptPolicy;

/* The settings of promotions and passwords. */
typedef struct AccountPolicy
{
	ACCOUNT_POLICY_COLUMNS(RECORD_FIELD)
	LoginIdPolicy login_id;
	PasswordPolicy password;
} AccountPolicy;

/* The lifetimes of one-time codes. */
typedef struct CodePolicy
{
	CODE_POLICY_COLUMNS(RECORD_FIELD)
} CodePolicy;

/* The setting of new signing keys. */
typedef struct KeyPolicy
{
	KEY_POLICY_COLUMNS(RECORD_FIELD)
} KeyPolicy;

/* The settings of domain/account_deletion.h. */
typedef struct DeletionPolicy
{
	DELETION_POLICY_COLUMNS(RECORD_FIELD)
} DeletionPolicy;

/* The setting of domain/own_profile.h. */
typedef struct ProfilePolicy
{
	PROFILE_POLICY_COLUMNS(RECORD_FIELD)
} ProfilePolicy;

/* The setting of domain/recent_login.h. */
typedef struct ReauthenticationPolicy
{
	REAUTHENTICATION_POLICY_COLUMNS(RECORD_FIELD)
} ReauthenticationPolicy;

/* The settings of domain/passkey_policy.h, as they are in the row. */
typedef struct PasskeyPolicy
{
	PASSKEY_POLICY_COLUMNS(RECORD_FIELD)
} PasskeyPolicy;

/* The functions that the settings name. */
typedef struct HookNames
{
	HOOK_NAMES_COLUMNS(RECORD_FIELD)
} HookNames;

/* The settings of purge(). */
typedef struct PurgePolicy
{
	PURGE_POLICY_COLUMNS(RECORD_FIELD)
} PurgePolicy;

/* The settings of cookie sessions. */
typedef struct BrowserPolicy
{
	BROWSER_POLICY_COLUMNS(RECORD_FIELD)
} BrowserPolicy;

/*
 * Return the settings as they are now: see cached_table.h.  Valid until the next call.
 * All functions below raise 55000 if the table has no row, unless they say otherwise.
 */
extern const Settings *settings_get(void);

/* Return the settings if this backend has read them and they are unchanged, otherwise NULL. */
extern const Settings *settings_peek(void);

/* settings_get() for functions that run as their caller, who may not read the table. */
extern const Settings *settings_get_as_owner(void);

/*
 * Read the settings now.  The snapshot sees the changes of this command and, at
 * READ COMMITTED, changes that were committed since the statement began.
 */
extern void settings_read_again(void);

/* Make this backend read the settings again within the same statement. */
extern void settings_forget(void);

/*
 * Raise 40001 if the transaction's snapshot has an outdated database_id: nothing
 * could ever open a value that is sealed with it.
 */
extern void settings_require_current_id(void);

/* Give the database a new random id, and return it. */
extern pg_uuid_t settings_renew_database_id(void);

extern void settings_read_account_policy(AccountPolicy *policy);
extern void settings_read_attempt_policy(AttemptPolicy *policy);
extern void settings_read_code_policy(CodePolicy *policy);
extern void settings_read_purge_policy(PurgePolicy *policy);
extern void settings_read_deletion_policy(DeletionPolicy *policy);
extern void settings_read_profile_policy(ProfilePolicy *policy);
extern void settings_read_passkey_policy(PasskeyPolicy *policy);
extern void settings_read_browser_policy(BrowserPolicy *policy);

/* Return settings.signing_key_lead_time in microseconds, as of now. */
extern int64 settings_read_signing_key_lead_time(void);

/* Return settings.reauthentication_max_age in microseconds, as of now.  0: any age. */
extern int64 settings_read_reauthentication_max_age(void);

/* Also sees the changes of this command.  Without a row, all names are NULL. */
extern void settings_read_hooks(HookNames *hooks);

/* True if login IDs of this type can be added. */
static inline bool
account_policy_allows(const AccountPolicy *policy, LoginIdType type)
{
	return string_list_contains(&policy->login_id_types, login_id_type_name(type));
}

#endif							/* ANON_AUTH_SETTINGS_H */
