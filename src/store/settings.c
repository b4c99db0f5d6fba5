/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Statements on anon_auth.settings, and this backend's copy of the row.
 *
 * The copy holds until the row changes (cached_table.h).
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

/* Where the row lasts for a statement only, the caller's snapshot is good enough for it. */
static Statement select_row = {
	.sql = "SELECT * FROM anon_auth.settings",
	.read_only = true,
	.key_table = "settings"
};

/* The one row, in which each purpose has a view. */
static CachedRow cached_settings;

static RowView settings_view = {.type = &settings_record};
static RowView account_policy_view = {.type = &account_policy_record};
static RowView attempt_policy_view = {.type = &attempt_policy_record};
static RowView code_policy_view = {.type = &code_policy_record};
static RowView key_policy_view = {.type = &key_policy_record};
static RowView deletion_policy_view = {.type = &deletion_policy_record};
static RowView profile_policy_view = {.type = &profile_policy_record};
static RowView reauthentication_policy_view = {.type = &reauthentication_policy_record};
static RowView passkey_policy_view = {.type = &passkey_policy_record};
static RowView purge_policy_view = {.type = &purge_policy_record};
static RowView browser_policy_view = {.type = &browser_policy_record};

static Statement read_database_id = {
	.sql = "SELECT {database_id} FROM anon_auth.settings",
	.row = &database_id_record,
	.read_only = true
};

/* This one shows what the running command has changed. */
static Statement read_hooks = {
	.sql = "SELECT {hook_names} FROM anon_auth.settings",
	.row = &hook_names_record
};

static Statement renew_database_id = {
	.sql = "UPDATE anon_auth.settings SET database_id = :database_id"
};

/* What settings_get() returns, decoded from the row once. */
static struct
{
	MemoryContext context;
	uint64		reading;		/* of the row */
	Settings	settings;
}			decoded;

static void
raise_no_settings(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("anon_auth.settings has no row"),
			 errhint("Restore the defaults with INSERT INTO anon_auth.settings DEFAULT VALUES.")));
}

static void
read_policy(RowView *view, void *policy)
{
	if (!cached_row_fetch(&cached_settings, CACHED_SETTINGS, &select_row, NO_PARAMS, view, policy))
		raise_no_settings();
}

const Settings *
settings_peek(void)
{
	return decoded.reading == cached_settings.reading &&
		cache_stamp_holds(&cached_settings.stamp, CACHED_SETTINGS) ? &decoded.settings : NULL;
}

const Settings *
settings_get(void)
{
	const Settings *settings = settings_peek();
	MemoryContext caller;

	if (settings != NULL)
		return settings;

	if (decoded.context == NULL)
		decoded.context = AllocSetContextCreate(TopMemoryContext, "anon_auth settings",
												ALLOCSET_SMALL_SIZES);
	decoded.reading = 0;
	MemoryContextReset(decoded.context);
	caller = MemoryContextSwitchTo(decoded.context);
	read_policy(&settings_view, &decoded.settings);
	MemoryContextSwitchTo(caller);
	if (decoded.settings.audience == NULL)
		decoded.settings.audience = decoded.settings.issuer;
	decoded.reading = cached_settings.reading;
	return &decoded.settings;
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
	read_policy(&account_policy_view, policy);
}

void
settings_read_attempt_policy(AttemptPolicy *policy)
{
	read_policy(&attempt_policy_view, policy);
}

void
settings_read_code_policy(CodePolicy *policy)
{
	read_policy(&code_policy_view, policy);
}

void
settings_read_purge_policy(PurgePolicy *policy)
{
	read_policy(&purge_policy_view, policy);
}

void
settings_read_deletion_policy(DeletionPolicy *policy)
{
	read_policy(&deletion_policy_view, policy);
}

void
settings_read_profile_policy(ProfilePolicy *policy)
{
	read_policy(&profile_policy_view, policy);
}

void
settings_read_passkey_policy(PasskeyPolicy *policy)
{
	read_policy(&passkey_policy_view, policy);
}

void
settings_read_browser_policy(BrowserPolicy *policy)
{
	read_policy(&browser_policy_view, policy);
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

	read_policy(&key_policy_view, &policy);
	return duration_from_now(policy.signing_key_lead_time);
}

int64
settings_read_reauthentication_max_age(void)
{
	ReauthenticationPolicy policy;

	read_policy(&reauthentication_policy_view, &policy);
	return policy.reauthentication_max_age == NULL ? 0 :
		duration_from_now(policy.reauthentication_max_age);
}

void
settings_read_hooks(HookNames *hooks)
{
	if (!statement_fetch(&read_hooks, NO_PARAMS, hooks))
		memset(hooks, 0, sizeof(HookNames));
}
