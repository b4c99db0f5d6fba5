/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Statements on anon_auth.settings, and this backend's copies of the row.
 *
 * Each purpose has its own copy, which holds until the row changes (cached_table.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "store/cached_row.h"
#include "store/owner_scope.h"
#include "store/settings.h"
#include "store/statement.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The texts of the enums of settings.list. */
#define ENUM_NAMES(variable, ...) \
	static const char *const variable##_texts[] = {__VA_ARGS__}; \
	static const EnumNames variable = {lengthof(variable##_texts), variable##_texts}

ENUM_NAMES(promotion_conflict_names, PROMOTION_CONFLICT_NAMES);
ENUM_NAMES(device_key_after_promotion_names, DEVICE_KEY_AFTER_PROMOTION_NAMES);
ENUM_NAMES(login_id_verification_names, LOGIN_ID_VERIFICATION_NAMES);
ENUM_NAMES(lockout_type_names, LOCKOUT_TYPE_NAMES);
ENUM_NAMES(passkey_user_verification_names, PASSKEY_USER_VERIFICATION_NAMES);
ENUM_NAMES(purge_mode_names, PURGE_MODE_NAMES);

RECORD_TYPE(settings, Settings, SETTINGS_COLUMNS);
RECORD_TYPE(attempt_policy, AttemptPolicy, ATTEMPT_POLICY_COLUMNS);
RECORD_TYPE(code_policy, CodePolicy, CODE_POLICY_COLUMNS);
RECORD_TYPE(key_policy, KeyPolicy, KEY_POLICY_COLUMNS);
RECORD_TYPE(deletion_policy, DeletionPolicy, DELETION_POLICY_COLUMNS);
RECORD_TYPE(profile_policy, ProfilePolicy, PROFILE_POLICY_COLUMNS);
RECORD_TYPE(reauthentication_policy, ReauthenticationPolicy, REAUTHENTICATION_POLICY_COLUMNS);
RECORD_TYPE(passkey_policy, PasskeyPolicy, PASSKEY_POLICY_COLUMNS);
RECORD_TYPE(hook_names, HookNames, HOOK_NAMES_COLUMNS);
RECORD_TYPE(purge_policy, PurgePolicy, PURGE_POLICY_COLUMNS);
RECORD_TYPE(browser_policy, BrowserPolicy, BROWSER_POLICY_COLUMNS);

/* An AccountPolicy contains the structs of src/login_id. */
#define LOGIN_ID_COLUMN(kind, name) \
	{#name, "", RECORD_KIND_##kind, offsetof(AccountPolicy, login_id.name)},
#define PASSWORD_COLUMN(kind, name) \
	{#name, "", RECORD_KIND_##kind, offsetof(AccountPolicy, password.name)},
#define ALL_ACCOUNT_COLUMNS(COLUMN) \
	ACCOUNT_POLICY_COLUMNS(COLUMN) \
	LOGIN_ID_POLICY_COLUMNS(LOGIN_ID_COLUMN) \
	PASSWORD_POLICY_COLUMNS(PASSWORD_COLUMN)

RECORD_TYPE(account_policy, AccountPolicy, ALL_ACCOUNT_COLUMNS);

#define DATABASE_ID_COLUMNS(COLUMN) \
	COLUMN(UUID, database_id)

typedef struct DatabaseId
{
	DATABASE_ID_COLUMNS(RECORD_FIELD)
} DatabaseId;

RECORD_TYPE(database_id, DatabaseId, DATABASE_ID_COLUMNS);

#define READ(record, is_read_only) { \
	.sql = "SELECT {" #record "} FROM anon_auth.settings", \
	.row = &record##_record, \
	.read_only = is_read_only \
}

/* Where copies last for a statement only, the caller's snapshot is good enough for them. */
#define CACHED_ROW(policy) \
	static Statement read_##policy = READ(policy, true); \
	static CachedRow policy

CACHED_ROW(account_policy);
CACHED_ROW(attempt_policy);
CACHED_ROW(code_policy);
CACHED_ROW(key_policy);
CACHED_ROW(deletion_policy);
CACHED_ROW(profile_policy);
CACHED_ROW(reauthentication_policy);
CACHED_ROW(passkey_policy);
CACHED_ROW(purge_policy);
CACHED_ROW(browser_policy);

static Statement read_settings = READ(settings, true);
static Statement read_database_id = READ(database_id, true);

/* This one shows what the running command has changed. */
static Statement read_hooks = READ(hook_names, false);

static Statement renew_database_id = {
	.sql = "UPDATE anon_auth.settings SET database_id = :database_id"
};

static struct
{
	CacheStamp	stamp;
	MemoryContext context;
	Settings	settings;
}			cache;

static void
raise_no_settings(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("anon_auth.settings has no row"),
			 errhint("Restore the defaults with INSERT INTO anon_auth.settings DEFAULT VALUES.")));
}

static void
read_policy(CachedRow *cached, Statement *statement, void *policy)
{
	if (!cached_row_fetch(cached, CACHED_SETTINGS, statement, NO_PARAMS, policy))
		raise_no_settings();
}

const Settings *
settings_peek(void)
{
	return cache_stamp_holds(&cache.stamp, CACHED_SETTINGS) ? &cache.settings : NULL;
}

const Settings *
settings_get(void)
{
	MemoryContext caller;
	CacheStamp	stamp;

	if (cache_stamp_holds(&cache.stamp, CACHED_SETTINGS))
		return &cache.settings;

	if (cache.context == NULL)
		cache.context = AllocSetContextCreate(TopMemoryContext, "anon_auth settings",
											  ALLOCSET_SMALL_SIZES);

	memset(&cache.stamp, 0, sizeof(CacheStamp));
	MemoryContextReset(cache.context);
	stamp = cache_stamp_take(CACHED_SETTINGS);
	caller = MemoryContextSwitchTo(cache.context);
	if (!statement_fetch_stamped(&read_settings, NO_PARAMS, &stamp, &cache.settings))
		raise_no_settings();
	MemoryContextSwitchTo(caller);
	if (cache.settings.audience == NULL)
		cache.settings.audience = cache.settings.issuer;
	cache.stamp = stamp;
	return &cache.settings;
}

const Settings *
settings_get_as_owner(void)
{
	const Settings *settings = settings_peek();
	OwnerScope	scope;

	if (settings != NULL)
		return settings;
	owner_scope_enter(&scope);
	settings = settings_get();
	owner_scope_leave(&scope);
	return settings;
}

void
settings_read_again(void)
{
	settings_forget();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) settings_get_as_owner();
	PopActiveSnapshot();
}

void
settings_forget(void)
{
	cached_table_forget(CACHED_SETTINGS);
}

void
settings_require_current_id(void)
{
	DatabaseId	current;

	settings_read_again();
	if (!statement_fetch_latest(&read_database_id, NO_PARAMS, &current))
		raise_no_settings();
	if (memcmp(&settings_get()->database_id, &current.database_id, UUID_LEN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent renewal of the database id")));
}

pg_uuid_t
settings_renew_database_id(void)
{
	pg_uuid_t	id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	statement_run(&renew_database_id, PARAMS(param_uuid("database_id", &id)));
	settings_read_again();
	return id;
}

void
settings_read_account_policy(AccountPolicy *policy)
{
	read_policy(&account_policy, &read_account_policy, policy);
}

void
settings_read_attempt_policy(AttemptPolicy *policy)
{
	read_policy(&attempt_policy, &read_attempt_policy, policy);
}

void
settings_read_code_policy(CodePolicy *policy)
{
	read_policy(&code_policy, &read_code_policy, policy);
}

void
settings_read_purge_policy(PurgePolicy *policy)
{
	read_policy(&purge_policy, &read_purge_policy, policy);
}

void
settings_read_deletion_policy(DeletionPolicy *policy)
{
	read_policy(&deletion_policy, &read_deletion_policy, policy);
}

void
settings_read_profile_policy(ProfilePolicy *policy)
{
	read_policy(&profile_policy, &read_profile_policy, policy);
}

void
settings_read_passkey_policy(PasskeyPolicy *policy)
{
	read_policy(&passkey_policy, &read_passkey_policy, policy);
}

void
settings_read_browser_policy(BrowserPolicy *policy)
{
	read_policy(&browser_policy, &read_browser_policy, policy);
}

/* Microseconds from now until an interval from now. */
static int64
duration_from_now(Interval *interval)
{
	TimestampTz now = GetCurrentTimestamp();

	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(interval))) - now;
}

int64
settings_read_signing_key_lead_time(void)
{
	KeyPolicy	policy;

	read_policy(&key_policy, &read_key_policy, &policy);
	return duration_from_now(policy.signing_key_lead_time);
}

int64
settings_read_reauthentication_max_age(void)
{
	ReauthenticationPolicy policy;

	read_policy(&reauthentication_policy, &read_reauthentication_policy, &policy);
	return policy.reauthentication_max_age == NULL ? 0 :
		duration_from_now(policy.reauthentication_max_age);
}

void
settings_read_hooks(HookNames *hooks)
{
	if (!statement_fetch(&read_hooks, NO_PARAMS, hooks))
		memset(hooks, 0, sizeof(HookNames));
}
