/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Statements on anon_auth.settings, and the per-statement copy of it.
 *
 * A statement may call the extension a million times (a loop, a row-security
 * policy), so the row is read once a statement.  This needs no invalidation
 * message, which would not cross nodes.  The trigger of the table calls
 * settings_forget() for a statement that changes the row itself (a DO block).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "store/owner_scope.h"
#include "store/record_codec.h"
#include "store/settings.h"
#include "store/statement.h"
#include "store/statement_stamp.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The texts of the enums of settings.list. */
#define ENUM_NAMES(variable, ...) \
	static const char *const variable##_texts[] = {__VA_ARGS__}; \
	static const EnumNames variable = {lengthof(variable##_texts), variable##_texts}

ENUM_NAMES(promotion_conflict_names, PROMOTION_CONFLICT_NAMES);
ENUM_NAMES(login_id_verification_names, LOGIN_ID_VERIFICATION_NAMES);
ENUM_NAMES(lockout_type_names, LOCKOUT_TYPE_NAMES);
ENUM_NAMES(purge_mode_names, PURGE_MODE_NAMES);

RECORD_TYPE(settings, Settings, SETTINGS_COLUMNS);
RECORD_TYPE(attempt_policy, AttemptPolicy, ATTEMPT_POLICY_COLUMNS);
RECORD_TYPE(code_policy, CodePolicy, CODE_POLICY_COLUMNS);
RECORD_TYPE(key_policy, KeyPolicy, KEY_POLICY_COLUMNS);
RECORD_TYPE(deletion_policy, DeletionPolicy, DELETION_POLICY_COLUMNS);
RECORD_TYPE(profile_policy, ProfilePolicy, PROFILE_POLICY_COLUMNS);
RECORD_TYPE(reauthentication_policy, ReauthenticationPolicy, REAUTHENTICATION_POLICY_COLUMNS);
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

/* What calls that log in or make accounts need besides Settings. */
typedef struct Policies
{
	AccountPolicy account;
	AttemptPolicy attempts;
} Policies;

#define ACCOUNT_COLUMN(kind, name) \
	{#name, "", RECORD_KIND_##kind, offsetof(AccountPolicy, name)},
#define ATTEMPT_COLUMN(kind, name) \
	{#name, "", RECORD_KIND_##kind, offsetof(RecordStruct, attempts.name)},
#define POLICIES_COLUMNS(COLUMN) \
	ALL_ACCOUNT_COLUMNS(ACCOUNT_COLUMN) \
	ATTEMPT_POLICY_COLUMNS(ATTEMPT_COLUMN)

StaticAssertDecl(offsetof(Policies, account) == 0, "the offsets are those in AccountPolicy");

RECORD_TYPE(policies, Policies, POLICIES_COLUMNS);

#define DATABASE_ID_COLUMNS(COLUMN) \
	COLUMN(UUID, database_id)

typedef struct DatabaseId
{
	DATABASE_ID_COLUMNS(RECORD_FIELD)
} DatabaseId;

RECORD_TYPE(database_id, DatabaseId, DATABASE_ID_COLUMNS);

/* Content with the caller's snapshot, unless the caller has just changed the row. */
#define READ(record, is_read_only) { \
	.sql = "SELECT {" #record "} FROM anon_auth.settings", \
	.row = &record##_record, \
	.read_only = is_read_only \
}

static Statement read_settings = READ(settings, true);
static Statement read_account_policy = READ(account_policy, true);
static Statement read_settings_and_policies = {
	.sql = "SELECT {settings}, {policies} FROM anon_auth.settings",
	.row = &settings_record,
	.joined = &policies_record,
	.read_only = true
};
static Statement read_attempt_policy = READ(attempt_policy, true);
static Statement read_code_policy = READ(code_policy, true);
static Statement read_key_policy = READ(key_policy, true);
static Statement read_deletion_policy = READ(deletion_policy, true);
static Statement read_profile_policy = READ(profile_policy, true);
static Statement read_reauthentication_policy = READ(reauthentication_policy, true);
static Statement read_purge_policy = READ(purge_policy, true);
static Statement read_browser_policy = READ(browser_policy, true);
static Statement read_database_id = READ(database_id, true);
static Statement read_hooks = READ(hook_names, false);

static Statement renew_database_id = {
	.sql = "UPDATE anon_auth.settings SET database_id = :database_id"
};

static struct
{
	StatementStamp stamp;
	MemoryContext context;
	Settings	settings;
	bool		has_policies;
	Policies	policies;
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
read_row(Statement *statement, void *row)
{
	if (!statement_fetch(statement, NO_PARAMS, row))
		raise_no_settings();
}

const Settings *
settings_peek(void)
{
	return statement_stamp_holds(&cache.stamp) ? &cache.settings : NULL;
}

/* Read the settings of the current statement and, with policies, those as well. */
static void
fill_cache(bool policies)
{
	MemoryContext caller;

	if (cache.context == NULL)
		cache.context = AllocSetContextCreate(TopMemoryContext, "anon_auth settings",
											  ALLOCSET_SMALL_SIZES);

	cache.stamp.valid = false;
	MemoryContextReset(cache.context);
	caller = MemoryContextSwitchTo(cache.context);
	if (!policies)
		read_row(&read_settings, &cache.settings);
	else if (!statement_fetch_joined(&read_settings_and_policies, NO_PARAMS, &cache.settings,
									 &cache.policies))
		raise_no_settings();
	MemoryContextSwitchTo(caller);
	if (cache.settings.audience == NULL)
		cache.settings.audience = cache.settings.issuer;
	cache.has_policies = policies;
	statement_stamp_set(&cache.stamp);
}

const Settings *
settings_get(void)
{
	if (!statement_stamp_holds(&cache.stamp))
		fill_cache(false);
	return &cache.settings;
}

const Settings *
settings_get_with_policies(void)
{
	if (!statement_stamp_holds(&cache.stamp))
		fill_cache(true);
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
	cache.stamp.changed = true;
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
	(void) settings_get_with_policies();
	if (cache.has_policies)
		record_copy(&account_policy_record, &cache.policies.account, policy);
	else
		read_row(&read_account_policy, policy);
}

void
settings_read_attempt_policy(AttemptPolicy *policy)
{
	if (statement_stamp_holds(&cache.stamp) && cache.has_policies)
		record_copy(&attempt_policy_record, &cache.policies.attempts, policy);
	else
		read_row(&read_attempt_policy, policy);
}

void
settings_read_code_policy(CodePolicy *policy)
{
	read_row(&read_code_policy, policy);
}

void
settings_read_purge_policy(PurgePolicy *policy)
{
	read_row(&read_purge_policy, policy);
}

void
settings_read_deletion_policy(DeletionPolicy *policy)
{
	read_row(&read_deletion_policy, policy);
}

void
settings_read_profile_policy(ProfilePolicy *policy)
{
	read_row(&read_profile_policy, policy);
}

void
settings_read_browser_policy(BrowserPolicy *policy)
{
	read_row(&read_browser_policy, policy);
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

	read_row(&read_key_policy, &policy);
	return duration_from_now(policy.signing_key_lead_time);
}

int64
settings_read_reauthentication_max_age(void)
{
	ReauthenticationPolicy policy;

	read_row(&read_reauthentication_policy, &policy);
	return policy.reauthentication_max_age == NULL ? 0 :
		duration_from_now(policy.reauthentication_max_age);
}

void
settings_read_hooks(HookNames *hooks)
{
	if (!statement_fetch(&read_hooks, NO_PARAMS, hooks))
		memset(hooks, 0, sizeof(HookNames));
}
