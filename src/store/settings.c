/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings row, and the per-statement copy of it.
 *
 * A statement may call the extension a million times (a loop, a row-security
 * policy), so the row is read once a statement.  This needs no invalidation
 * message, which would not cross nodes.  A change made by the statement itself
 * (a DO block) is told to this backend by the trigger settings_changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "store/statement.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static StoreStatement read_settings = {
	.sql = "SELECT issuer, audience, token_role, trust_request_claims,"
	" anonymous_users_enabled, public_sign_up_enabled, event_types"
	" FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_account_policy = {
	.sql = "SELECT promotion_conflict, login_id_types,"
	" email_case_sensitive, email_block_plus_sign, email_ignore_dot_sign,"
	" email_domain_blocklist, email_domain_allowlist, phone_country_code_allowlist,"
	" username_ascii_only, username_block_reserved, username_excluded_keywords,"
	" password_min_length, password_require_uppercase, password_require_lowercase,"
	" password_require_alphabet, password_require_digit, password_require_symbol,"
	" password_excluded_keywords, password_hash_memory_kib, password_hash_passes,"
	" password_hash_concurrency"
	" FROM anon_auth.settings",
	.read_only = true
};

static StoreStatement read_browser_policy = {
	.sql = "SELECT session_lifetime_seconds, session_idle_timeout_enabled,"
	" session_idle_timeout_seconds, session_cookie_persistent, cookie_prefix,"
	" cookie_domain, check_session_on_request FROM anon_auth.settings",
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

/*
 * settings_changed() returns trigger
 *
 * Makes this backend read the settings again although the statement is the
 * same.
 */
PG_FUNCTION_INFO_V1(anon_auth_settings_changed);
Datum
anon_auth_settings_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("settings_changed() is a trigger function")));
	cache.stamp.changed = true;
	return PointerGetDatum(NULL);
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

void
settings_read_account_policy(AccountPolicy *policy)
{
	StoreRow	row;

	if (store_run(&read_account_policy, NULL, NULL, &row) == 0)
		raise_no_settings();
	policy->conflict_login = strcmp(store_text(&row, 0), "login") == 0;
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
	policy->hash_concurrency = DatumGetInt32(row.values[20]);
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
