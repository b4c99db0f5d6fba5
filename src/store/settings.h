/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The row of anon_auth.settings, by what needs which part of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_H
#define ANON_AUTH_SETTINGS_H

#include "postgres.h"

#include "login_id/login_id.h"
#include "login_id/password_policy.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* What most calls need; see settings_get(). */
typedef struct Settings
{
	pg_uuid_t	database_id;
	char	   *issuer;
	char	   *audience;		/* never NULL */
	char	   *token_role;
	bool		trust_request_claims;
	bool		anonymous_users_enabled;
	bool		public_sign_up_enabled;
	bool		keep_all_events;
	StringList	event_types;
	char	   *before_sign_up; /* hooks; NULL: none */
	char	   *access_token_claims;
	int			trusted_proxy_hops;
	int			guest_sign_ups; /* a minute; 0: no limit, as the next */
	int			guest_sign_ups_per_ip;
	int			device_key_logins;
} Settings;

/* What only password logins need.  Attempts are a minute; 0: no limit. */
typedef struct AttemptPolicy
{
	int			attempts_per_ip;
	int			attempts_per_user;
	int			attempts_per_user_per_ip;
	int			unknown_login_ids;
	int			lockout_max_attempts;	/* 0: off */
	bool		lockout_per_ip;
	int			lockout_history;	/* seconds, as the next two */
	int			lockout_minimum;
	int			lockout_maximum;
	double		lockout_backoff_factor;
} AttemptPolicy;

typedef enum PromotionConflict
{
	CONFLICT_ERROR,
	CONFLICT_LOGIN,
	CONFLICT_MERGE
} PromotionConflict;

/* What only promotions and password logins need. */
typedef struct AccountPolicy
{
	PromotionConflict conflict;
	char	   *after_promotion;	/* hooks; NULL: none */
	char	   *merge;
	bool		login_id_allowed[LOGIN_ID_TYPES];
	LoginIdPolicy login_id;
	PasswordPolicy password;
	int			hash_memory_kib;
	int			hash_passes;
	int			hash_concurrency;	/* 0: as the number of processors has it */
} AccountPolicy;

/*
 * The settings row as of this statement, which is when it is read.  Valid
 * until the next call.
 */
extern const Settings *settings_get(void);

/* The same if it was read in this statement already, else NULL. */
extern const Settings *settings_peek(void);

/* The same for functions that run as their caller, who may not read the table. */
extern const Settings *settings_get_as_owner(void);

/*
 * Raises 40001 where the transaction's snapshot has a database_id that is not the
 * database's any more: what it would seal could never be opened.
 */
extern void settings_require_current_id(void);

/* Gives the database another random id, and returns it. */
extern pg_uuid_t settings_renew_database_id(void);

/*
 * Reads them now, with a snapshot that sees what this command has changed and, at READ
 * COMMITTED, what others have committed since the statement began.
 */
extern void settings_read_again(void);

/* Makes this backend read them again although the statement is the same. */
extern void settings_forget(void);
extern void settings_read_account_policy(AccountPolicy *policy);
extern void settings_read_attempt_policy(AttemptPolicy *policy);

/* How long codes are good, in seconds. */
extern int	settings_code_lifetime(bool password_reset);

/* The functions that the settings name, as of now; NULL: none. */
typedef struct HookNames
{
	char	   *before_sign_up;
	char	   *access_token_claims;
	char	   *after_promotion;
	char	   *merge;
} HookNames;

extern void settings_read_hooks(HookNames *hooks);

/* What only purge() needs. */
typedef struct PurgePolicy
{
	bool		cascade;		/* else skip */
	Interval   *guest_retention;	/* NULL: for ever, as the next */
	Interval   *event_retention;
} PurgePolicy;

extern void settings_read_purge_policy(PurgePolicy *policy);

/* What only browsers need: cookie sessions and their cookies. */
typedef struct BrowserPolicy
{
	int			session_lifetime;	/* seconds */
	int			session_idle_timeout;	/* seconds; 0: none */
	bool		cookie_persistent;
	char	   *cookie_prefix;
	char	   *cookie_domain;	/* NULL: the host alone */
	bool		check_session_on_request;
} BrowserPolicy;

extern void settings_read_browser_policy(BrowserPolicy *policy);

#endif							/* ANON_AUTH_SETTINGS_H */
