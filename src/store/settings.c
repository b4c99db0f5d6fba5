/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings row, and the per-statement copy of it.
 *
 * A statement may call the extension a million times (a loop, a row-security
 * policy), so the row is read once a statement.  This needs no invalidation
 * message, which would not cross nodes.  A change made by the statement itself
 * (a DO block) is told by settings_forget().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "store/owner_scope.h"
#include "store/statement.h"
#include "store/statement_stamp.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static StoreStatement read_settings = {
	.sql = "SELECT issuer, audience, token_role, trust_request_claims,"
	" anonymous_users_enabled, public_sign_up_enabled, event_types,"
	" before_sign_up, access_token_claims, trusted_proxy_hops,"
	" guest_sign_ups_per_minute, guest_sign_ups_per_minute_per_ip,"
	" device_key_logins_per_minute, database_id"
	" FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_database_id = {
	.sql = "SELECT database_id FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement renew_database_id = {
	.sql = "UPDATE anon_auth.settings SET database_id = $1",
	.nparams = 1,
	.types = {UUIDOID}
};

static StoreStatement read_account_policy = {
	.sql = "SELECT promotion_conflict, login_id_types,"
	" email_case_sensitive, email_block_plus_sign, email_ignore_dot_sign,"
	" email_domain_blocklist, email_domain_allowlist, phone_country_code_allowlist,"
	" username_ascii_only, username_block_reserved, username_excluded_keywords,"
	" password_min_length, password_require_uppercase, password_require_lowercase,"
	" password_require_alphabet, password_require_digit, password_require_symbol,"
	" password_excluded_keywords, password_hash_memory_kib, password_hash_passes,"
	" password_hash_concurrency, after_promotion, merge"
	" FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_browser_policy = {
	.sql = "SELECT session_lifetime_seconds, session_idle_timeout_enabled,"
	" session_idle_timeout_seconds, session_cookie_persistent, cookie_prefix,"
	" cookie_domain, check_session_on_request FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_attempt_policy = {
	.sql = "SELECT password_attempts_per_minute_per_ip, password_attempts_per_minute_per_user,"
	" password_attempts_per_minute_per_user_per_ip, lockout_max_attempts,"
	" lockout_type, lockout_history_seconds, lockout_minimum_seconds,"
	" lockout_maximum_seconds, lockout_backoff_factor, unknown_login_ids_per_minute"
	" FROM anon_auth.settings",
	.read_only = true
};

/* Not content with the caller's snapshot: the caller has just changed them. */
static StoreStatement read_hooks = {
	.sql = "SELECT before_sign_up, access_token_claims, after_promotion, merge"
	" FROM anon_auth.settings"
};

static StoreStatement read_code_lifetimes = {
	.sql = "SELECT verification_code_lifetime_seconds, password_reset_code_lifetime_seconds"
	" FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_purge_policy = {
	.sql = "SELECT purge_policy = 'cascade', guest_retention, event_retention FROM anon_auth.settings",
	.read_only = true
};

static struct
{
	StatementStamp stamp;
	MemoryContext context;
	Settings	settings;
}			cache;

static StringList
string_list(const StoreRow *row, int column)
{
	StringList	list = {0, NULL};
	Datum	   *items;
	int			i;

	if (row->nulls[column])
		return list;
	deconstruct_array(DatumGetArrayTypeP(row->values[column]), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, NULL, &list.count);
	list.items = palloc(sizeof(char *) * Max(list.count, 1));
	for (i = 0; i < list.count; i++)
		list.items[i] = TextDatumGetCString(items[i]);
	return list;
}

/* A limit; NULL, which is none, becomes 0. */
static int
limit(const StoreRow *row, int column)
{
	return row->nulls[column] ? 0 : DatumGetInt32(row->values[column]);
}

static void
raise_no_settings(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("anon_auth.settings has no row"),
			 errhint("Restore the defaults with INSERT INTO anon_auth.settings DEFAULT VALUES.")));
}

static void
fill_settings(Settings *settings)
{
	StoreRow	row;

	if (store_run(&read_settings, NULL, NULL, &row) == 0)
		raise_no_settings();
	settings->issuer = store_text(&row, 0);
	settings->audience = store_text(&row, 1);
	if (settings->audience == NULL)
		settings->audience = settings->issuer;
	settings->token_role = store_text(&row, 2);
	settings->trust_request_claims = DatumGetBool(row.values[3]);
	settings->anonymous_users_enabled = DatumGetBool(row.values[4]);
	settings->public_sign_up_enabled = DatumGetBool(row.values[5]);
	settings->keep_all_events = row.nulls[6];
	settings->event_types = string_list(&row, 6);
	settings->before_sign_up = store_text(&row, 7);
	settings->access_token_claims = store_text(&row, 8);
	settings->trusted_proxy_hops = DatumGetInt32(row.values[9]);
	settings->guest_sign_ups = limit(&row, 10);
	settings->guest_sign_ups_per_ip = limit(&row, 11);
	settings->device_key_logins = limit(&row, 12);
	settings->database_id = store_uuid(&row, 13);
}

const Settings *
settings_peek(void)
{
	return statement_stamp_holds(&cache.stamp) ? &cache.settings : NULL;
}

const Settings *
settings_get(void)
{
	MemoryContext caller;

	if (statement_stamp_holds(&cache.stamp))
		return &cache.settings;

	if (cache.context == NULL)
		cache.context = AllocSetContextCreate(TopMemoryContext, "anon_auth settings",
											  ALLOCSET_SMALL_SIZES);

	cache.stamp.valid = false;
	MemoryContextReset(cache.context);
	caller = MemoryContextSwitchTo(cache.context);
	fill_settings(&cache.settings);
	MemoryContextSwitchTo(caller);
	statement_stamp_set(&cache.stamp);
	return &cache.settings;
}

const Settings *
settings_get_as_owner(void)
{
	const Settings *settings = settings_peek();
	OwnerScope scope;

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
settings_require_current_id(void)
{
	StoreRow	row;
	pg_uuid_t	id;

	settings_read_again();
	if (store_run_latest(&read_database_id, NULL, &row) == 0)
		raise_no_settings();
	id = store_uuid(&row, 0);
	if (memcmp(&settings_get()->database_id, &id, UUID_LEN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent renewal of the database id")));
}

pg_uuid_t
settings_renew_database_id(void)
{
	Datum		params[1];
	pg_uuid_t	id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	params[0] = UUIDPGetDatum(&id);
	store_run(&renew_database_id, params, NULL, NULL);
	settings_read_again();
	return id;
}

void
settings_forget(void)
{
	cache.stamp.changed = true;
}

static void
fill_login_id_types(AccountPolicy *policy, StringList allowed)
{
	int			type;
	int			i;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		policy->login_id_allowed[type] = false;
		for (i = 0; i < allowed.count; i++)
			if (strcmp(allowed.items[i], login_id_type_name(type)) == 0)
				policy->login_id_allowed[type] = true;
	}
}

static PromotionConflict
promotion_conflict(const char *name)
{
	if (strcmp(name, "login") == 0)
		return CONFLICT_LOGIN;
	return strcmp(name, "merge") == 0 ? CONFLICT_MERGE : CONFLICT_ERROR;
}

void
settings_read_account_policy(AccountPolicy *policy)
{
	StoreRow	row;

	if (store_run(&read_account_policy, NULL, NULL, &row) == 0)
		raise_no_settings();
	policy->conflict = promotion_conflict(store_text(&row, 0));
	fill_login_id_types(policy, string_list(&row, 1));
	policy->login_id.email_case_sensitive = DatumGetBool(row.values[2]);
	policy->login_id.email_block_plus_sign = DatumGetBool(row.values[3]);
	policy->login_id.email_ignore_dot_sign = DatumGetBool(row.values[4]);
	policy->login_id.email_domain_blocklist = string_list(&row, 5);
	policy->login_id.email_domain_allowlist = string_list(&row, 6);
	policy->login_id.phone_country_code_allowlist = string_list(&row, 7);
	policy->login_id.username_ascii_only = DatumGetBool(row.values[8]);
	policy->login_id.username_block_reserved = DatumGetBool(row.values[9]);
	policy->login_id.username_excluded_keywords = string_list(&row, 10);
	policy->password.min_length = DatumGetInt32(row.values[11]);
	policy->password.require_uppercase = DatumGetBool(row.values[12]);
	policy->password.require_lowercase = DatumGetBool(row.values[13]);
	policy->password.require_alphabet = DatumGetBool(row.values[14]);
	policy->password.require_digit = DatumGetBool(row.values[15]);
	policy->password.require_symbol = DatumGetBool(row.values[16]);
	policy->password.excluded_keywords = string_list(&row, 17);
	policy->hash_memory_kib = DatumGetInt32(row.values[18]);
	policy->hash_passes = DatumGetInt32(row.values[19]);
	policy->hash_concurrency = limit(&row, 20);
	policy->after_promotion = store_text(&row, 21);
	policy->merge = store_text(&row, 22);
}

void
settings_read_browser_policy(BrowserPolicy *policy)
{
	StoreRow	row;

	if (store_run(&read_browser_policy, NULL, NULL, &row) == 0)
		raise_no_settings();
	policy->session_lifetime = DatumGetInt32(row.values[0]);
	policy->session_idle_timeout = DatumGetBool(row.values[1]) ? DatumGetInt32(row.values[2]) : 0;
	policy->cookie_persistent = DatumGetBool(row.values[3]);
	policy->cookie_prefix = store_text(&row, 4);
	policy->cookie_domain = store_text(&row, 5);
	policy->check_session_on_request = DatumGetBool(row.values[6]);
}

void
settings_read_attempt_policy(AttemptPolicy *policy)
{
	StoreRow	row;

	if (store_run(&read_attempt_policy, NULL, NULL, &row) == 0)
		raise_no_settings();
	policy->attempts_per_ip = limit(&row, 0);
	policy->attempts_per_user = limit(&row, 1);
	policy->attempts_per_user_per_ip = limit(&row, 2);
	policy->lockout_max_attempts = DatumGetInt32(row.values[3]);
	policy->lockout_per_ip = strcmp(store_text(&row, 4), "per_user_per_ip") == 0;
	policy->lockout_history = DatumGetInt32(row.values[5]);
	policy->lockout_minimum = DatumGetInt32(row.values[6]);
	policy->lockout_maximum = DatumGetInt32(row.values[7]);
	policy->lockout_backoff_factor = DatumGetFloat8(row.values[8]);
	policy->unknown_login_ids = limit(&row, 9);
}

void
settings_read_hooks(HookNames *hooks)
{
	StoreRow	row;

	memset(hooks, 0, sizeof(HookNames));
	if (store_run(&read_hooks, NULL, NULL, &row) == 0)
		return;
	hooks->before_sign_up = store_text(&row, 0);
	hooks->access_token_claims = store_text(&row, 1);
	hooks->after_promotion = store_text(&row, 2);
	hooks->merge = store_text(&row, 3);
}

void
settings_read_purge_policy(PurgePolicy *policy)
{
	StoreRow	row;

	if (store_run(&read_purge_policy, NULL, NULL, &row) == 0)
		raise_no_settings();
	policy->cascade = DatumGetBool(row.values[0]);
	policy->guest_retention = row.nulls[1] ? NULL : DatumGetIntervalP(row.values[1]);
	policy->event_retention = row.nulls[2] ? NULL : DatumGetIntervalP(row.values[2]);
}

int
settings_code_lifetime(bool password_reset)
{
	StoreRow	row;

	if (store_run(&read_code_lifetimes, NULL, NULL, &row) == 0)
		raise_no_settings();
	return DatumGetInt32(row.values[password_reset ? 1 : 0]);
}
