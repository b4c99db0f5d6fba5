/*-------------------------------------------------------------------------
 *
 * rate_limit.c
 *	  Rate limits: how often a call is allowed (docs/authgear.md, section 9).
 *
 * First comes the table of limits, then the functions that count in them.  A
 * call counts in each of its limits or in none: if one refuses, the takes from
 * the others are given back.
 *
 * The counters live outside the transaction (src/counters).  No lock outlasts
 * a function of this file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "counters/counters.h"
#include "domain/client_address.h"
#include "domain/rate_limit.h"
#include "domain/shared_address.h"
#include "json/raise_json.h"
#include "store/settings.h"

/* ---- the limits ---- */

#define MINUTE		(SECS_PER_MINUTE * USECS_PER_SEC)
#define HOUR		(SECS_PER_HOUR * USECS_PER_SEC)
#define DAY			USECS_PER_DAY

typedef enum LimitKind
{
	LIMIT_SIGN_UP,
	LIMIT_SIGN_UP_BY_ADDRESS,
	LIMIT_DEVICE_KEY,
	LIMIT_PASSKEY,
	LIMIT_PASSWORD_BY_ADDRESS,
	LIMIT_PASSWORD_BY_USER_AND_ADDRESS,
	LIMIT_PASSWORD_BY_USER,
	LIMIT_UNKNOWN_LOGIN_ID,
	LIMIT_LOGIN_ID_LOOKUP,
	LIMIT_LOGIN_ID_CONFLICT,
	LIMIT_CODE_REQUEST_BY_ADDRESS,
	LIMIT_CODE_REQUEST,
	LIMIT_SMS_REQUEST,
	LIMIT_CODE_REQUEST_BY_GUEST,
	LIMIT_CODE_REQUEST_AN_HOUR,
	LIMIT_CODE_REQUEST_A_MINUTE,
	LIMIT_CODE_GUESS,
	LIMIT_CLAIM
} LimitKind;

/* The source of a limit's count.  A setting of 0 means that there is no limit. */
typedef enum CountSource
{
	COUNT_FIXED,				/* a constant of base/limits.h */
	COUNT_SETTINGS,				/* an int of Settings */
	COUNT_ATTEMPTS				/* an int of AttemptPolicy */
} CountSource;

#define FIXED(code, count)	RATE_LIMIT_##code, COUNT_FIXED, (count)
#define SETTING(field)		RATE_LIMIT_##field, COUNT_SETTINGS, offsetof(Settings, field)
#define ATTEMPTS(field)		RATE_LIMIT_##field, COUNT_ATTEMPTS, offsetof(AttemptPolicy, field)

typedef struct LimitRule
{
	const char *counter;		/* its name; %s are the subjects that it counts */
	RateLimitCode code;			/* for programs */
	CountSource source;
	size_t		count;			/* the count, or the offset of the field */
	int64		period;			/* microseconds */
	const char *what;			/* for the message "The limit for ... is 60." */
} LimitRule;

/*
 * Every limit.  A count that is a setting is in the column of anon_auth.settings
 * with the name of the field; src/store/settings.list has its default.  The limits
 * by address are limits a minute: add_address_limits() completes the words with
 * "from one address a minute" and the like.
 */
static const LimitRule limit_rules[] = {
	[LIMIT_SIGN_UP] =
	{"sign_up", SETTING(guest_sign_ups_per_minute), MINUTE, "guest sign-ups a minute"},
	[LIMIT_SIGN_UP_BY_ADDRESS] =
	{"sign_up/ip/%s", SETTING(guest_sign_ups_per_minute_per_ip), MINUTE, "guest sign-ups"},
	[LIMIT_DEVICE_KEY] =
	{"device_key/%s", SETTING(device_key_logins_per_minute), MINUTE,
	"logins of one device key a minute"},
	[LIMIT_PASSKEY] =
	{"passkey/%s", SETTING(device_key_logins_per_minute), MINUTE,
	"logins with one passkey a minute"},
	[LIMIT_PASSWORD_BY_ADDRESS] =
	{"password/ip/%s", ATTEMPTS(password_attempts_per_minute_per_ip), MINUTE, "password attempts"},
	[LIMIT_PASSWORD_BY_USER_AND_ADDRESS] =
	{"password/%s/ip/%s", ATTEMPTS(password_attempts_per_minute_per_user_per_ip), MINUTE,
	"password attempts for one user from one address a minute"},
	[LIMIT_PASSWORD_BY_USER] =
	{"password/%s", ATTEMPTS(password_attempts_per_minute_per_user), MINUTE,
	"password attempts for one user a minute"},
	[LIMIT_UNKNOWN_LOGIN_ID] =
	{"unknown_login_id", 0 /* never an error */ , COUNT_ATTEMPTS,
	offsetof(AttemptPolicy, unknown_login_ids_per_minute), MINUTE, NULL},
	[LIMIT_LOGIN_ID_LOOKUP] =
	{"login_id_lookup/ip/%s", SETTING(password_attempts_per_minute_per_ip), MINUTE,
	"look-ups of login IDs"},
	[LIMIT_LOGIN_ID_CONFLICT] =
	{"login_id_conflict/ip/%s", SETTING(login_id_conflicts_per_minute_per_ip), MINUTE,
	"login IDs of other users"},
	[LIMIT_CODE_REQUEST_BY_ADDRESS] =
	{"code_request/ip/%s", SETTING(code_requests_per_minute_per_ip), MINUTE, "requests for codes"},
	[LIMIT_CODE_REQUEST] =
	{"code_request", SETTING(code_requests_per_hour), HOUR, "requests for codes an hour"},
	[LIMIT_SMS_REQUEST] =
	{"code_request/sms", SETTING(sms_requests_per_hour), HOUR,
	"requests for codes to phone numbers an hour"},
	[LIMIT_CODE_REQUEST_BY_GUEST] =
	{"code_request/guest/%s", FIXED(codes_per_hour_per_guest, CODES_PER_HOUR_PER_GUEST), HOUR,
	"codes for one guest or account an hour"},
	[LIMIT_CODE_REQUEST_AN_HOUR] =
	{"code/%s/hour/%s", FIXED(codes_per_hour, CODES_PER_HOUR), HOUR, "codes an hour"},
	[LIMIT_CODE_REQUEST_A_MINUTE] =
	{"code/%s/minute/%s", FIXED(codes_per_minute, CODES_PER_MINUTE), MINUTE, "codes a minute"},
	[LIMIT_CODE_GUESS] =
	{"code/guesses/%s", FIXED(code_guesses_per_day, CODE_GUESSES_PER_DAY), DAY,
	"tries at codes for one address a day"},
	[LIMIT_CLAIM] =
	{"claim/%s", FIXED(claims_per_minute, CLAIMS_PER_MINUTE), MINUTE,
	"claims of guests by one account a minute"}
};

/*
 * A limit by address also holds for the IPv6 networks of the address, with a
 * multiple of its count: a subscriber may have a /56 or a /48.  The widest comes
 * first, so that an attack from a network does not make a counter for each of
 * its addresses.
 */
static const struct
{
	int			prefix_length;	/* bits */
	int			factor;
}			networks[] = {
	{48, IPV6_48_LIMIT_FACTOR},
	{56, IPV6_56_LIMIT_FACTOR}
};

/* ---- counting ---- */

/*
 * Seconds to wait if there is no room for a counter.  The time at which a live counter
 * will expire is unknown.
 */
#define RETRY_WITHOUT_ROOM	SECS_PER_MINUTE

#define SHARED_ADDRESS_HINT \
	"All calls with the address of this connection count together. To count each user's own " \
	"address, call anon_auth.use_client_address() with it, or set trusted_proxy_hops."

/* Three limits for addresses, and five others: no call has more. */
#define MAX_LIMITS	8

typedef struct Limit
{
	char	   *counter;
	int			count;			/* in a period */
	int64		period;			/* microseconds */
	RateLimitCode code;
	const char *what;
	const char *address;		/* client_address_for_limits() of a limit by address, else NULL */
} Limit;

struct RateLimits
{
	const AttemptPolicy *attempts;	/* NULL: no rule needs it */
	int			count;
	Limit		items[MAX_LIMITS];
};

static int
count_of_rule(const LimitRule *rule, const AttemptPolicy *attempts)
{
	switch (rule->source)
	{
		case COUNT_FIXED:
			return (int) rule->count;
		case COUNT_SETTINGS:
			return *(const int *) ((const char *) settings_get() + rule->count);
		case COUNT_ATTEMPTS:
			return *(const int *) ((const char *) attempts + rule->count);
	}
	pg_unreachable();
}

static void
append_limit(RateLimits *limits, const Limit *limit)
{
	Assert(limits->count < MAX_LIMITS);
	limits->items[limits->count++] = *limit;
}

/* Add a limit unless it is switched off; the subjects fill the counter's name. */
static void
add_limit(RateLimits *limits, LimitKind kind, const char *subject, const char *second_subject)
{
	const LimitRule *rule = &limit_rules[kind];
	int			count = count_of_rule(rule, limits->attempts);
	Limit		limit = {.count = count,.period = rule->period,.code = rule->code,.what = rule->what};

	if (count == 0)
		return;
	limit.counter = psprintf(rule->counter, subject, second_subject);
	append_limit(limits, &limit);
}

/* Add the limits for the client's address and its networks, if it has an address. */
static void
add_address_limits(RateLimits *limits, LimitKind kind)
{
	const LimitRule *rule = &limit_rules[kind];
	int			count = count_of_rule(rule, limits->attempts);
	Limit		limit = {.period = rule->period,.code = rule->code};
	char	   *address;
	int			i;

	if (count == 0 || (address = client_address_for_limits()) == NULL)
		return;
	limit.address = address;
	for (i = 0; i < lengthof(networks); i++)
	{
		char	   *network = client_address_network(address, networks[i].prefix_length);

		if (network == NULL)
			continue;
		limit.counter = psprintf(rule->counter, network);
		limit.count = (int) Min((int64) count * networks[i].factor, INT_MAX);
		limit.what = psprintf("%s a minute from one IPv6 /%d", rule->what,
							  networks[i].prefix_length);
		append_limit(limits, &limit);
	}
	limit.counter = psprintf(rule->counter, address);
	limit.count = count;
	limit.what = psprintf("%s from one address a minute", rule->what);
	append_limit(limits, &limit);
}

static void
give_back_takes(const RateLimits *limits, int count)
{
	while (count-- > 0)
		counter_give_back(limits->items[count].counter, limits->items[count].count,
						  limits->items[count].period);
}

/* wait is COUNTER_WAIT_UNKNOWN if there was no room for the counter.  hint may be NULL. */
pg_noreturn static void
raise_limit_reached(RateLimitCode code, const char *what, int count, int64 wait, const char *hint)
{
	if (wait == COUNTER_WAIT_UNKNOWN)
		raise_counters_full();
	counter_statistic_add(COUNTER_RATE_LIMITED, 1);
	counter_statistic_add(COUNTER_FIRST_LIMIT + code, 1);
	raise_rate_limited(code, what, count, wait, hint);
}

/* Take one from each limit.  Raises AA018, after giving back what it has taken. */
static void
take_from_all(const RateLimits *limits)
{
	int64		wait;
	int			i;

	for (i = 0; i < limits->count; i++)
	{
		const Limit *limit = &limits->items[i];

		if (counter_take(limit->counter, limit->count, limit->period, &wait))
			continue;
		give_back_takes(limits, i);
		raise_limit_reached(limit->code, limit->what, limit->count, wait,
							wait != COUNTER_WAIT_UNKNOWN && limit->address != NULL &&
							shared_address_refused(limit->address) ? SHARED_ADDRESS_HINT : NULL);
	}
}

/* ---- the calls that are limited ---- */

RateLimits *
rate_limit_sign_up(void)
{
	RateLimits *limits = palloc0(sizeof(RateLimits));

	add_limit(limits, LIMIT_SIGN_UP, NULL, NULL);
	add_address_limits(limits, LIMIT_SIGN_UP_BY_ADDRESS);
	take_from_all(limits);
	return limits;
}

void
rate_limit_login_id_lookup(void)
{
	RateLimits	limits = {0};

	add_address_limits(&limits, LIMIT_LOGIN_ID_LOOKUP);
	take_from_all(&limits);
}

RateLimits *
rate_limit_login_id_conflict(void)
{
	RateLimits *limits = palloc0(sizeof(RateLimits));

	add_address_limits(limits, LIMIT_LOGIN_ID_CONFLICT);
	take_from_all(limits);
	return limits;
}

void
rate_limit_give_back(const RateLimits *limits)
{
	give_back_takes(limits, limits->count);
}

void
rate_limit_device_key(const DeviceKey *key)
{
	RateLimits	limits = {0};

	add_limit(&limits, LIMIT_DEVICE_KEY, key->thumbprint, NULL);
	take_from_all(&limits);
}

void
rate_limit_passkey(const char *id)
{
	RateLimits	limits = {0};

	add_limit(&limits, LIMIT_PASSKEY, id, NULL);
	take_from_all(&limits);
}

void
rate_limit_claim(const pg_uuid_t *account)
{
	RateLimits	limits = {0};
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_to_text(account, id);
	add_limit(&limits, LIMIT_CLAIM, id, NULL);
	take_from_all(&limits);
}

void
rate_limit_password_attempt(const AttemptPolicy *policy, const char *subject,
							const char *address)
{
	RateLimits	limits = {.attempts = policy};

	add_address_limits(&limits, LIMIT_PASSWORD_BY_ADDRESS);
	add_limit(&limits, LIMIT_PASSWORD_BY_USER_AND_ADDRESS, subject, address != NULL ? address : "");
	add_limit(&limits, LIMIT_PASSWORD_BY_USER, subject, NULL);
	take_from_all(&limits);
}

bool
rate_limit_unknown_login_id(const AttemptPolicy *policy)
{
	const LimitRule *rule = &limit_rules[LIMIT_UNKNOWN_LOGIN_ID];
	int			count = count_of_rule(rule, policy);
	int64		wait;

	if (count == 0 || counter_take(rule->counter, count, rule->period, &wait))
		return true;
	if (wait == COUNTER_WAIT_UNKNOWN)
		raise_counters_full();
	counter_statistic_add(COUNTER_UNHASHED_LOGINS, 1);
	return false;
}

/* See rate_limit_claimant(). */
#define CLAIMANT_ATTEMPTS_PER_DAY	5

bool
rate_limit_claimant(const pg_uuid_t *user_id)
{
	char		user[UUID_TEXT_LENGTH + 1];
	int64		attempts;

	uuid_to_text(user_id, user);
	attempts = counter_increment(psprintf("claimant/%s", user), DAY, false);
	return attempts > 0 && attempts <= CLAIMANT_ATTEMPTS_PER_DAY;
}

void
rate_limit_code_attempt_by_address(void)
{
	AttemptPolicy policy;
	RateLimits	limits = {.attempts = &policy};

	settings_read_attempt_policy(&policy);
	add_address_limits(&limits, LIMIT_PASSWORD_BY_ADDRESS);
	take_from_all(&limits);
}

/* Add the limits that all requests for codes share. */
static void
add_code_request_limits(RateLimits *limits, bool is_phone_number)
{
	add_address_limits(limits, LIMIT_CODE_REQUEST_BY_ADDRESS);
	add_limit(limits, LIMIT_CODE_REQUEST, NULL, NULL);
	if (is_phone_number)
		add_limit(limits, LIMIT_SMS_REQUEST, NULL, NULL);
}

void
rate_limit_code_request(const char *purpose, LoginIdType type, const char *subject)
{
	RateLimits	limits = {0};

	add_code_request_limits(&limits, type == LOGIN_ID_PHONE_NUMBER);
	add_limit(&limits, LIMIT_CODE_REQUEST_AN_HOUR, purpose, subject);
	add_limit(&limits, LIMIT_CODE_REQUEST_A_MINUTE, purpose, subject);
	take_from_all(&limits);
}

RateLimits *
rate_limit_login_code_request(LoginIdType type, const char *subject, const pg_uuid_t *guest)
{
	RateLimits *limits = palloc0(sizeof(RateLimits));
	char		asker[UUID_TEXT_LENGTH + 1] = "";

	add_code_request_limits(limits, type == LOGIN_ID_PHONE_NUMBER);
	if (guest != NULL)
	{
		uuid_to_text(guest, asker);
		add_limit(limits, LIMIT_CODE_REQUEST_BY_GUEST, asker, NULL);
	}
	add_limit(limits, LIMIT_CODE_REQUEST_AN_HOUR, "login", subject);
	add_limit(limits, LIMIT_CODE_REQUEST_A_MINUTE, "login", psprintf("%s/%s", subject, asker));
	take_from_all(limits);
	return limits;
}

void
rate_limit_refuse_login_code(int64 wait)
{
	raise_limit_reached(RATE_LIMIT_unused_codes, "login codes of one address that are not used",
						LOGIN_CODES_MAX, wait, NULL);
}

/*
 * The day begins with the first guess, and no guess comes back before it ends:
 * a limit that refills would allow twice as many in a day.
 */
void
rate_limit_code_attempt_for_recipient(const char *address)
{
	const LimitRule *rule = &limit_rules[LIMIT_CODE_GUESS];
	char	   *counter = psprintf(rule->counter, address);
	int64		guesses = counter_increment(counter, rule->period, false);

	if (guesses == 0)
		raise_counters_full();
	if (guesses > rule->count)
		raise_limit_reached(rule->code, rule->what, (int) rule->count,
							counter_get(counter, rule->period, NULL), NULL);
}

void
rate_limit_code_attempt_was_right(const char *address)
{
	counter_decrement(psprintf(limit_rules[LIMIT_CODE_GUESS].counter, address));
}
