/*-------------------------------------------------------------------------
 *
 * rate_limit.c
 *	  How many sign-ups and passwords in a minute, and when too many wrong
 *	  passwords lock a user out (docs/authgear.md, 9).
 *
 * Attempts are counted outside the transaction (src/counters): a client that
 * rolls back has made its attempt all the same.  A call counts in each of its
 * limits or in none: where one refuses, the takes from the others are given
 * back.
 *
 * A login ID that nobody has is counted like a user, so that the limits do not
 * tell which there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/raise.h"
#include "counters/counters.h"
#include "domain/domain.h"
#include "domain/limits.h"
#include "json/json.h"

/* A minute's and an hour's limits for addresses, users and codes; none takes more. */
#define MAX_LIMITS	8

#define MINUTE		(SECS_PER_MINUTE * USECS_PER_SEC)
#define HOUR		(SECS_PER_HOUR * USECS_PER_SEC)
#define DAY			USECS_PER_DAY

#define GUESSES_PER_DAY	100

typedef struct Limit
{
	char	   *name;
	int			count;			/* in a period */
	int64		period;			/* microseconds */
	const char *what;			/* "guest sign-ups a minute", for the message */
} Limit;

struct RateLimits
{
	int			count;
	Limit		items[MAX_LIMITS];
};

/* Where there is no room for a counter, nobody knows when there will be. */
static int	retry_after = SECS_PER_MINUTE;

int
rate_limit_retry_after(void)
{
	return retry_after;
}

/* In whole seconds, so that the next try is not too early. */
static void
set_retry_after(int64 microseconds)
{
	retry_after = microseconds <= 0 ? 1 : (int) ((microseconds + USECS_PER_SEC - 1) / USECS_PER_SEC);
}

/* The last sentence of a detail: when the caller may try again. */
static char *
when_to_retry(void)
{
	return psprintf("Try again in %d second%s.", retry_after, retry_after == 1 ? "" : "s");
}

/* count 0: there is no such limit. */
static void
add_limit(RateLimits *limits, char *name, int count, int64 period, const char *what)
{
	if (count == 0)
		return;
	Assert(limits->count < MAX_LIMITS);
	limits->items[limits->count++] = (Limit) {name, count, period, what};
}

static int
times(int count, int factor)
{
	return (int) Min((int64) count * factor, INT_MAX);
}

/*
 * A limit a minute for an address, and for the IPv6 networks that it is in: a
 * subscriber may have a /56 or a /48.  The widest comes first, so that an attack
 * from a network does not make a counter for each of its addresses.
 */
static void
add_address_limits(RateLimits *limits, const char *kind, int count, const char *what)
{
	char	   *address;
	char	   *network;

	if (count == 0 || (address = client_address()) == NULL)
		return;
	if ((network = client_network(address, 48)) != NULL)
		add_limit(limits, psprintf("%s/ip/%s", kind, network), times(count, 16), MINUTE,
				  psprintf("%s a minute from one IPv6 /48", what));
	if ((network = client_network(address, 56)) != NULL)
		add_limit(limits, psprintf("%s/ip/%s", kind, network), times(count, 4), MINUTE,
				  psprintf("%s a minute from one IPv6 /56", what));
	add_limit(limits, psprintf("%s/ip/%s", kind, address), count, MINUTE,
			  psprintf("%s from one address a minute", what));
}

static void
give_back(const RateLimits *limits, int count)
{
	while (count-- > 0)
		counter_give_back(limits->items[count].name, limits->items[count].count,
						  limits->items[count].period);
}

static void
take(const RateLimits *limits)
{
	int64		wait;
	int			i;

	for (i = 0; i < limits->count; i++)
	{
		const Limit *limit = &limits->items[i];

		if (counter_take(limit->name, limit->count, limit->period, &wait))
			continue;
		give_back(limits, i);
		counter_statistic_add(COUNTER_RATE_LIMITED, 1);
		set_retry_after(wait);
		raise_rate_limited(limit->what, limit->count, when_to_retry());
	}
}

RateLimits *
rate_limit_sign_up(void)
{
	const Settings *settings = settings_get();
	RateLimits *limits = palloc0(sizeof(RateLimits));

	add_limit(limits, "sign_up", settings->guest_sign_ups, MINUTE, "guest sign-ups a minute");
	add_address_limits(limits, "sign_up", settings->guest_sign_ups_per_ip, "guest sign-ups");
	take(limits);
	return limits;
}

void
rate_limit_give_back(const RateLimits *limits)
{
	give_back(limits, limits->count);
}

void
rate_limit_device_key(const char *kid)
{
	RateLimits	limits = {0};

	add_limit(&limits, psprintf("device_key/%s", kid), settings_get()->device_key_logins, MINUTE,
			  "logins of one device key a minute");
	take(&limits);
}

/* Who is tried: a user by id, or a login ID that nobody has. */
static char *
subject(const pg_uuid_t *user_id, const char *login_id)
{
	char		id[UUID_TEXT_LENGTH + 1];

	if (user_id == NULL)
		return psprintf("login_id/%s", login_id);
	uuid_to_text(user_id, id);
	return psprintf("user/%s", id);
}

/* Whose failures are counted together: "count" or "until" of a user, or of it and an address. */
static char *
lockout_counter(const char *which, const AttemptPolicy *policy, const pg_uuid_t *user_id,
				const char *login_id)
{
	char	   *address = policy->lockout_per_ip ? client_address() : NULL;

	return psprintf("lockout/%s/%s%s%s", which, subject(user_id, login_id),
					address != NULL ? "/ip/" : "", address != NULL ? address : "");
}

static void
refuse_if_locked(const PasswordAttempt *attempt)
{
	const AttemptPolicy *policy = &attempt->policy;
	int64		left;

	left = counter_get(lockout_counter("until", policy, attempt->user_id, attempt->login_id),
					   policy->lockout_maximum * USECS_PER_SEC, NULL);
	if (left == 0)
		return;
	counter_statistic_add(COUNTER_LOCKED_OUT, 1);
	set_retry_after(left);
	raise_account_locked(when_to_retry());
}

/* minimum x factor ^ (attempts - max), at most the maximum. */
static int64
lock_seconds(const AttemptPolicy *policy, int64 failures)
{
	double		seconds = policy->lockout_minimum *
		pow(policy->lockout_backoff_factor, failures - policy->lockout_max_attempts);

	return (int64) Min(seconds, policy->lockout_maximum);
}

/*
 * Counts the attempt as a failure, and locks where it is one too many.  If this
 * came after the password was checked, others could try at the same time.
 */
static void
presume_failure(PasswordAttempt *attempt)
{
	const AttemptPolicy *policy = &attempt->policy;

	attempt->failures =
		counter_increment(lockout_counter("count", policy, attempt->user_id, attempt->login_id),
						  policy->lockout_history * USECS_PER_SEC, true);
	if (attempt->failures == 0)
	{
		counter_statistic_add(COUNTER_RATE_LIMITED, 1);
		raise_counters_full("There is no room to count another user's wrong passwords.");
	}
	if (attempt->failures < policy->lockout_max_attempts)
		return;
	attempt->locked_seconds = lock_seconds(policy, attempt->failures);
	counter_set(lockout_counter("until", policy, attempt->user_id, attempt->login_id), 1,
				attempt->locked_seconds * USECS_PER_SEC);
}

void
rate_limit_code_attempt(void)
{
	AttemptPolicy policy;
	RateLimits	limits = {0};

	settings_read_attempt_policy(&policy);
	add_address_limits(&limits, "password", policy.attempts_per_ip, "password attempts");
	take(&limits);
}

void
rate_limit_code_request(const char *purpose, const char *subject)
{
	RateLimits	limits = {0};

	add_limit(&limits, psprintf("code/%s/hour/%s", purpose, subject), 10, HOUR, "codes an hour");
	add_limit(&limits, psprintf("code/%s/minute/%s", purpose, subject), 1, MINUTE,
			  "codes a minute");
	take(&limits);
}

void
rate_limit_guess(const char *address)
{
	char	   *counter = psprintf("code/guesses/%s", address);
	int64		guesses = counter_increment(counter, DAY, false);

	if (guesses > 0 && guesses <= GUESSES_PER_DAY)
		return;
	counter_statistic_add(COUNTER_RATE_LIMITED, 1);
	set_retry_after(counter_get(counter, DAY, NULL));
	raise_rate_limited("tries at codes for one address a day", GUESSES_PER_DAY, when_to_retry());
}

void
password_attempt_begin(PasswordAttempt *attempt, const pg_uuid_t *user_id, const char *login_id)
{
	RateLimits	limits = {0};
	char	   *who = subject(user_id, login_id);
	char	   *address = client_address();

	memset(attempt, 0, sizeof(PasswordAttempt));
	attempt->user_id = user_id;
	attempt->login_id = login_id;
	settings_read_attempt_policy(&attempt->policy);
	add_address_limits(&limits, "password", attempt->policy.attempts_per_ip,
					   "password attempts");
	add_limit(&limits, psprintf("password/%s/ip/%s", who, address != NULL ? address : ""),
			  attempt->policy.attempts_per_user_per_ip, MINUTE,
			  "password attempts for one user from one address a minute");
	add_limit(&limits, psprintf("password/%s", who), attempt->policy.attempts_per_user, MINUTE,
			  "password attempts for one user a minute");
	if (attempt->policy.lockout_max_attempts > 0)
		refuse_if_locked(attempt);
	take(&limits);
	if (attempt->policy.lockout_max_attempts > 0)
		presume_failure(attempt);
}

bool
password_attempt_may_hash(const PasswordAttempt *attempt)
{
	int64		wait;
	int			limit = attempt->policy.unknown_login_ids;

	return attempt->user_id != NULL || limit == 0 ||
		counter_take("unknown_login_id", limit, MINUTE, &wait);
}

static void
clear_lockout(const AttemptPolicy *policy, const pg_uuid_t *user_id, const char *login_id)
{
	if (policy->lockout_max_attempts == 0)
		return;
	counter_clear(lockout_counter("count", policy, user_id, login_id));
	counter_clear(lockout_counter("until", policy, user_id, login_id));
}

void
password_attempt_right(const PasswordAttempt *attempt)
{
	clear_lockout(&attempt->policy, attempt->user_id, attempt->login_id);
}

void
password_attempt_wrong(const PasswordAttempt *attempt, const Client *client, TimestampTz now)
{
	if (attempt->locked_seconds > 0)
		event_insert("authentication.lockout", attempt->user_id, client->client_id,
					 json_to_jsonb(psprintf("{\"failed_attempts\": %lld, \"seconds\": %lld}",
											(long long) attempt->failures,
											(long long) attempt->locked_seconds)), now);
}

void
lockout_end(const pg_uuid_t *user_id)
{
	AttemptPolicy policy;

	settings_read_attempt_policy(&policy);
	clear_lockout(&policy, user_id, NULL);
}
