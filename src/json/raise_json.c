/*-------------------------------------------------------------------------
 *
 * raise_json.c
 *	  The errors of class AA whose DETAIL programs read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "utils/timestamp.h"

static const char *const rate_limit_codes[] = {
#define RATE_LIMIT_CODE_TEXT(code, what) #code,
	RATE_LIMIT_CODES(RATE_LIMIT_CODE_TEXT)
};

/* Begin a DETAIL; the caller adds members and ends it with json_close(). */
static void
begin_detail(StringInfo detail, const char *description)
{
	initStringInfo(detail);
	json_open(detail);
	json_add_string(detail, "description", description);
}

/* Microseconds in seconds, rounded up: the next try must not be too early. */
static int64
seconds_to_wait(int64 wait)
{
	return wait <= 0 ? 1 : (wait + USECS_PER_SEC - 1) / USECS_PER_SEC;
}

/* Begin a DETAIL that says when to try again, for AA018 and AA019. */
static void
begin_detail_with_wait(StringInfo detail, const char *description, int64 wait)
{
	int64		seconds = seconds_to_wait(wait);

	begin_detail(detail, psprintf("%s Try again in %lld second%s.", description,
								  (long long) seconds, seconds == 1 ? "" : "s"));
	json_add_integer(detail, "retry_after", seconds);
}

void
raise_identity_exists(const char *login_id_type)
{
	StringInfoData detail;

	begin_detail(&detail, psprintf("The %s belongs to another user.", login_id_type));
	json_add_string(&detail, "login_id_type", login_id_type);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_IDENTITY_EXISTS),
			 errmsg("identity already exists"),
			 errdetail_internal("%s", detail.data)));
}

void
raise_invalid_login_id(const char *login_id_type, const char *reason, const char *clause)
{
	StringInfoData detail;

	begin_detail(&detail, psprintf("%c%s.", pg_toupper((unsigned char) clause[0]), clause + 1));
	json_add_string(&detail, "login_id_type", login_id_type);
	json_add_string(&detail, "reason", reason);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_LOGIN_ID),
			 errmsg("invalid login ID"),
			 errdetail_internal("%s", detail.data)));
}

void
raise_password_policy(const char *reasons, const char *clauses)
{
	StringInfoData detail;

	begin_detail(&detail, psprintf("The password %s.", clauses));
	json_add_raw(&detail, "reasons", reasons);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_PASSWORD_POLICY),
			 errmsg("password policy violated"),
			 errdetail_internal("%s", detail.data)));
}

void
raise_invalid_profile(const char *reasons, const char *sentences)
{
	StringInfoData detail;

	begin_detail(&detail, sentences);
	json_add_raw(&detail, "reasons", reasons);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_PROFILE),
			 errmsg("invalid profile"),
			 errdetail_internal("%s", detail.data)));
}

void
raise_rate_limited(RateLimitCode limit, const char *what, int count, int64 wait,
				   const char *hint)
{
	StringInfoData detail;

	begin_detail_with_wait(&detail, psprintf("The limit for %s is %d.", what, count), wait);
	json_add_string(&detail, "limit", rate_limit_codes[limit]);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_RATE_LIMITED),
			 errmsg("request rate limited"),
			 errdetail_internal("%s", detail.data),
			 hint != NULL ? errhint("%s", hint) : 0));
}

void
raise_counters_full(void)
{
	StringInfoData detail;

	begin_detail(&detail, "There is no room for another counter of attempts.");
	json_add_string(&detail, "limit", rate_limit_codes[RATE_LIMIT_counter_cells]);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_RATE_LIMITED),
			 errmsg("request rate limited"),
			 errdetail_internal("%s", detail.data),
			 errhint("Try again later. If this lasts, increase anon_auth.counter_cells.")));
}

void
raise_account_locked(int64 wait)
{
	StringInfoData detail;

	begin_detail_with_wait(&detail, "There were too many wrong passwords.", wait);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_ACCOUNT_LOCKED),
			 errmsg("account locked"),
			 errdetail_internal("%s", detail.data)));
}

void
raise_recent_login_required(int64 max_age)
{
	StringInfoData detail;

	begin_detail(&detail, psprintf("The last login of this session is more than %lld second%s ago.",
								   (long long) max_age, max_age == 1 ? "" : "s"));
	json_add_integer(&detail, "max_age", max_age);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_RECENT_LOGIN_REQUIRED),
			 errmsg("recent login required"),
			 errdetail_internal("%s", detail.data),
			 errhint("Have the user log in again, and repeat the call with the new access token.")));
}

static const struct
{
	const char *code;
	const char *clause;
}			proven_account_reasons[] = {
#define PROVEN_ACCOUNT_REASON(name, code, clause) {code, clause},
	PROVEN_ACCOUNT_REASONS(PROVEN_ACCOUNT_REASON)
};

/* The DETAIL of AA030. */
static char *
detail_of_proven_account(ProvenAccountReason reason)
{
	StringInfoData detail;

	begin_detail(&detail, psprintf("The caller has proven the address or identity, and %s.",
								   proven_account_reasons[reason].clause));
	json_add_string(&detail, "reason", proven_account_reasons[reason].code);
	json_close(&detail);
	return detail.data;
}

void
raise_no_account(bool by_code)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_NO_ACCOUNT),
			 errmsg("no account"),
			 errdetail_internal("%s", detail_of_proven_account(PROVEN_NO_ACCOUNT)),
			 by_code ?
			 errhint("Pass the same code to anon_auth.sign_up(). It cannot promote a guest: for that, request a code with the guest's proof.") :
			 errhint("Pass the same ID token to anon_auth.sign_up(), or to anon_auth.promote_anonymous_user() to promote a guest.")));
}

void
raise_account_exists(bool is_way_in)
{
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_NO_ACCOUNT),
			 errmsg("an account exists already"),
			 errdetail_internal("%s", detail_of_proven_account(PROVEN_ACCOUNT_EXISTS)),
			 is_way_in ?
			 errhint("Log in to that account with the same code or ID token.") :
			 errhint("The ID token does not open that account. Log in to it in another way, and then call anon_auth.add_identity() with the same token.")));
}

void
raise_use_dpop_nonce(const char *nonce)
{
	StringInfoData detail;

	begin_detail(&detail, "The DPoP proof must have this nonce.");
	json_add_string(&detail, "dpop_nonce", nonce);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_USE_DPOP_NONCE),
			 errmsg("DPoP proof needs a nonce"),
			 errdetail_internal("%s", detail.data),
			 errhint("Make another proof, with the nonce as its claim \"nonce\".")));
}

static const struct
{
	const char *code;
	const char *clause;
}			passkey_reasons[] = {
#define PASSKEY_REASON(name, code, clause) {code, clause},
	PASSKEY_REASONS(PASSKEY_REASON)
};

void
raise_invalid_passkey(PasskeyReason reason, const char *description)
{
	const char *clause = passkey_reasons[reason].clause;
	StringInfoData detail;

	begin_detail(&detail, description != NULL ? description :
				 psprintf("%c%s.", pg_toupper((unsigned char) clause[0]), clause + 1));
	json_add_string(&detail, "reason", passkey_reasons[reason].code);
	json_close(&detail);
	ereport(ERROR,
			(error_refusal(ERRCODE_AA_INVALID_PASSKEY),
			 errmsg("invalid passkey response"),
			 errdetail_internal("%s", detail.data)));
}

/* The object in a DETAIL, or NULL if it is none. */
static Jsonb *
parse_detail(const char *detail)
{
	const char *reason;

	return detail == NULL ? NULL : json_parse_object(detail, strlen(detail), &reason);
}

char *
raise_json_member(const char *detail, const char *name)
{
	Jsonb	   *object = parse_detail(detail);

	return object == NULL ? NULL : json_cstring(object, name);
}

int
raise_json_retry_after(const char *detail)
{
	Jsonb	   *object = parse_detail(detail);
	int64		seconds;

	if (object == NULL || !json_numeric_date(object, "retry_after", &seconds))
		return 0;
	return (int) Min(seconds, INT_MAX);
}

int64
raise_json_max_age(const char *detail)
{
	Jsonb	   *object = parse_detail(detail);
	int64		seconds;

	return object != NULL && json_numeric_date(object, "max_age", &seconds) ? seconds : 0;
}

bool
raise_json_is_limit(const char *detail, RateLimitCode limit)
{
	Jsonb	   *object = parse_detail(detail);

	return object != NULL && json_string_equals(object, "limit", rate_limit_codes[limit]);
}

bool
raise_json_is_passkey_reason(const char *detail, PasskeyReason reason)
{
	Jsonb	   *object = parse_detail(detail);

	return object != NULL && json_string_equals(object, "reason", passkey_reasons[reason].code);
}
