/*-------------------------------------------------------------------------
 *
 * rate_limit.c
 *	  How many sign-ups and passwords in a minute, and when too many wrong
 *	  passwords lock a user out (docs/authgear.md, 9).
 *
 * A login ID that is nobody's is counted like a user, so that the limits do
 * not tell which there are.  Buckets are taken in one order, that of this
 * file, before any other row is locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "domain/domain.h"
#include "domain/limits.h"
#include "errors.h"
#include "json/json.h"

static int	retry_after = 0;

int
rate_limit_retry_after(void)
{
	return retry_after;
}

/* In whole seconds, so that the next try is not too early. */
static void
set_retry_after(TimestampTz at, TimestampTz now)
{
	retry_after = at <= now ? 1 : (int) ((at - now + USECS_PER_SEC - 1) / USECS_PER_SEC);
}

/* limit 0: none.  what: "so many of these", for the message. */
static void
take_within(const char *bucket, int limit, int seconds, const char *what, TimestampTz now)
{
	TimestampTz conforms_at;

	if (limit == 0 || rate_limit_take(bucket, limit, seconds, now, &conforms_at))
		return;
	set_retry_after(conforms_at, now);
	ereport(ERROR,
			(errcode(ERRCODE_AA_RATE_LIMITED),
			 errmsg("request rate limited"),
			 errdetail_internal("There may be %d %s. Try again in %d seconds.",
								limit, what, retry_after)));
}

static void
take(const char *bucket, int per_minute, const char *what, TimestampTz now)
{
	take_within(bucket, per_minute, SECS_PER_MINUTE, psprintf("%s a minute", what), now);
}

void
rate_limit_sign_up(TimestampTz now)
{
	const Settings *settings = settings_get();
	char	   *address;

	take("sign_up", settings->guest_sign_ups, "guest sign-ups", now);
	if (settings->guest_sign_ups_per_ip == 0 || (address = client_address()) == NULL)
		return;
	take(psprintf("sign_up/ip/%s", address), settings->guest_sign_ups_per_ip,
		 "guest sign-ups from one address", now);
}

/* Who is tried: a user by id, or a login ID that is nobody's. */
static char *
subject(const pg_uuid_t *user_id, const char *login_id)
{
	char		id[UUID_TEXT_LENGTH + 1];

	if (user_id == NULL)
		return psprintf("login_id/%s", login_id);
	uuid_to_text(user_id, id);
	return psprintf("user/%s", id);
}

static char *
lockout_bucket(const AttemptPolicy *policy, const pg_uuid_t *user_id, const char *login_id)
{
	char	   *address = policy->lockout_per_ip ? client_address() : NULL;

	return psprintf("%s%s%s", subject(user_id, login_id), address != NULL ? "/ip/" : "",
					address != NULL ? address : "");
}

static void
refuse_if_locked(const AttemptPolicy *policy, const pg_uuid_t *user_id, const char *login_id,
				 TimestampTz now)
{
	TimestampTz until;

	if (policy->lockout_max_attempts == 0)
		return;
	until = lockout_find(lockout_bucket(policy, user_id, login_id), now);
	if (until == 0)
		return;
	set_retry_after(until, now);
	ereport(ERROR,
			(errcode(ERRCODE_AA_ACCOUNT_LOCKED),
			 errmsg("account locked"),
			 errdetail("There were too many wrong passwords. Try again in %d seconds.",
					   retry_after)));
}

void
rate_limit_code_attempt(TimestampTz now)
{
	AttemptPolicy policy;
	char	   *address = client_address();

	settings_read_attempt_policy(&policy);
	if (address != NULL)
		take(psprintf("password/ip/%s", address), policy.attempts_per_ip,
			 "password attempts from one address", now);
}

void
rate_limit_code_request(const char *purpose, const char *subject, TimestampTz now)
{
	take_within(psprintf("code/%s/minute/%s", purpose, subject), 1, SECS_PER_MINUTE,
				"code a minute", now);
	take_within(psprintf("code/%s/hour/%s", purpose, subject), 10, SECS_PER_HOUR,
				"codes an hour", now);
}

void
rate_limit_password(const pg_uuid_t *user_id, const char *login_id, TimestampTz now)
{
	AttemptPolicy policy;
	char	   *who = subject(user_id, login_id);
	char	   *address = client_address();

	settings_read_attempt_policy(&policy);
	if (address != NULL)
		take(psprintf("password/ip/%s", address), policy.attempts_per_ip,
			 "password attempts from one address", now);
	take(psprintf("password/%s", who), policy.attempts_per_user,
		 "password attempts for one user", now);
	take(psprintf("password/%s/ip/%s", who, address != NULL ? address : ""),
		 policy.attempts_per_user_per_ip,
		 "password attempts for one user from one address", now);
	refuse_if_locked(&policy, user_id, login_id, now);
}

void
lockout_password_right(const pg_uuid_t *user_id, const char *login_id)
{
	AttemptPolicy policy;

	settings_read_attempt_policy(&policy);
	if (policy.lockout_max_attempts > 0)
		lockout_clear(lockout_bucket(&policy, user_id, login_id));
}

/* minimum x factor ^ (attempts - max), at most the maximum. */
static double
lock_seconds(const AttemptPolicy *policy, int failures)
{
	double		seconds = policy->lockout_minimum *
		pow(policy->lockout_backoff_factor, failures - policy->lockout_max_attempts);

	return Min(seconds, policy->lockout_maximum);
}

void
lockout_password_wrong(const Client *client, const pg_uuid_t *user_id, const char *login_id,
					   TimestampTz now)
{
	AttemptPolicy policy;
	char	   *bucket;
	int			failures;
	TimestampTz until;

	settings_read_attempt_policy(&policy);
	if (policy.lockout_max_attempts == 0)
		return;
	bucket = lockout_bucket(&policy, user_id, login_id);
	failures = lockout_count(bucket, now - policy.lockout_history * USECS_PER_SEC, now);
	if (failures < policy.lockout_max_attempts)
		return;
	until = now + (int64) (lock_seconds(&policy, failures) * USECS_PER_SEC);
	lockout_lock(bucket, until);
	event_insert("authentication.lockout", user_id, client->client_id,
				 json_to_jsonb(psprintf("{\"failed_attempts\": %d, \"seconds\": %d}", failures,
										(int) ((until - now) / USECS_PER_SEC))), now);
}
