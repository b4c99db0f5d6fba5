/*-------------------------------------------------------------------------
 *
 * password_attempt.c
 *	  Attempts at a user's password, and the lockout after too many wrong ones
 *	  (docs/authgear.md, section 9).
 *
 * A login ID that no user has is counted and locked like a user, so that limits
 * and lockouts do not tell which login IDs exist.
 *
 * Two counters outside the transaction make the lockout: "count" is the number
 * of failures, and "until" is live while logins are locked.  An attempt counts
 * as a failure before its password is checked; otherwise many could be made at
 * the same time before the first one is counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/uuid.h"
#include "counters/counters.h"
#include "domain/client_address.h"
#include "domain/password_attempt.h"
#include "domain/rate_limit.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "store/clients.h"
#include "store/events.h"
#include "store/settings.h"

/* Return the name that attempts at a user, or at an unknown login ID, share. */
static char *
subject_of_attempt(const pg_uuid_t *user_id, const char *login_id)
{
	char		id[UUID_TEXT_LENGTH + 1];

	if (user_id == NULL)
		return psprintf("login_id/%s", login_id);
	uuid_to_text(user_id, id);
	return psprintf("user/%s", id);
}

static bool
is_counted_by_address(const AttemptPolicy *policy)
{
	return policy->lockout_type == LOCKOUT_TYPE_PER_USER_PER_IP;
}

/*
 * Return the name of a counter: which is "count" or "until".  With
 * settings.lockout_type per_user_per_ip, failures are counted by user and client's
 * address.
 */
static char *
lockout_counter(const char *which, const PasswordAttempt *attempt)
{
	const char *address = is_counted_by_address(&attempt->policy) ? attempt->address : NULL;

	return psprintf("lockout/%s/%s%s%s", which,
					subject_of_attempt(attempt->user_id, attempt->login_id),
					address != NULL ? "/ip/" : "", address != NULL ? address : "");
}

static void
refuse_if_locked(const PasswordAttempt *attempt)
{
	int64		left = counter_get(lockout_counter("until", attempt),
								   attempt->policy.lockout_maximum_seconds * USECS_PER_SEC, NULL);

	if (left == 0)
		return;
	counter_statistic_add(COUNTER_LOCKED_OUT, 1);
	raise_account_locked(left);
}

/*
 * Return how long so many failures lock a user: minimum * factor ^ (failures -
 * max_attempts), at most the maximum.
 */
static int64
lockout_seconds(const AttemptPolicy *policy, int64 failures)
{
	double		seconds = policy->lockout_minimum_seconds *
		pow(policy->lockout_backoff_factor, failures - policy->lockout_max_attempts);

	return (int64) Min(seconds, policy->lockout_maximum_seconds);
}

/* Count the attempt as a failure, and lock the user if it is one too many. */
static void
presume_failure(PasswordAttempt *attempt)
{
	const AttemptPolicy *policy = &attempt->policy;

	attempt->failures = counter_increment(lockout_counter("count", attempt),
										  policy->lockout_history_seconds * USECS_PER_SEC, true);
	if (attempt->failures == 0)
	{
		counter_statistic_add(COUNTER_RATE_LIMITED, 1);
		raise_counters_full();
	}
	if (attempt->failures < policy->lockout_max_attempts)
		return;
	attempt->locked_seconds = lockout_seconds(policy, attempt->failures);
	counter_set(lockout_counter("until", attempt), 1, attempt->locked_seconds * USECS_PER_SEC);
}

void
password_attempt_begin(PasswordAttempt *attempt, const pg_uuid_t *user_id, const char *login_id)
{
	memset(attempt, 0, sizeof(PasswordAttempt));
	attempt->user_id = user_id;
	attempt->login_id = login_id;
	attempt->address = client_address_for_limits();
	settings_read_attempt_policy(&attempt->policy);
	if (attempt->policy.lockout_max_attempts > 0)
		refuse_if_locked(attempt);
	rate_limit_password_attempt(&attempt->policy, subject_of_attempt(user_id, login_id),
								attempt->address);
	if (attempt->policy.lockout_max_attempts > 0)
		presume_failure(attempt);
}

bool
password_attempt_may_hash(const PasswordAttempt *attempt)
{
	return attempt->user_id != NULL || rate_limit_unknown_login_id(&attempt->policy);
}

void
password_attempt_succeeded(const PasswordAttempt *attempt)
{
	if (attempt->policy.lockout_max_attempts == 0)
		return;
	counter_clear(lockout_counter("count", attempt));
	counter_clear(lockout_counter("until", attempt));
}

void
password_attempt_failed(const PasswordAttempt *attempt, const char *client_id, TimestampTz now)
{
	if (attempt->locked_seconds > 0)
		events_insert("authentication.lockout", attempt->user_id, client_id,
					  json_to_jsonb(psprintf("{\"failed_attempts\": %lld, \"seconds\": %lld}",
											 (long long) attempt->failures,
											 (long long) attempt->locked_seconds)), now);
}

void
password_attempt_end_lockout(const pg_uuid_t *user_id)
{
	PasswordAttempt attempt = {.user_id = user_id};

	settings_read_attempt_policy(&attempt.policy);
	if (attempt.policy.lockout_max_attempts == 0)
		return;
	if (is_counted_by_address(&attempt.policy))
		attempt.address = client_address_for_limits();
	password_attempt_succeeded(&attempt);
}
