/*-------------------------------------------------------------------------
 *
 * password.c
 *	  Argon2id password hashes (RFC 9106).
 *
 * A hash takes memory on purpose.  How many are computed at once is bounded,
 * so that a storm of logins waits instead of taking the server's memory: each
 * takes one of a number of slots, which are heavyweight locks of the whole
 * server, in a space that no SQL function can reach.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/raise.h"
#include "counters/counters.h"
#include "domain/password.h"
#include "login_id/password_policy.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "store/passwords.h"
#include "store/settings.h"

/* pg_advisory_lock() uses 1 and 2 in the last field of such a tag. */
#define SLOT_LOCK_SPACE		0x6161

static void
slot_tag(LOCKTAG *tag, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, slot, SLOT_LOCK_SPACE);
}

/* A hash keeps a processor busy; twice as many keep it so when one waits for memory. */
static int
default_slots(void)
{
	long		processors = sysconf(_SC_NPROCESSORS_ONLN);

	return 2 * (int) Max(processors, 1);
}

/* Waits for a slot; an error later on gives it back with the transaction. */
static void
take_slot(LOCKTAG *tag, int concurrency)
{
	int			slots = concurrency > 0 ? concurrency : default_slots();
	int			first = MyProcPid % slots;
	int			i;

	for (i = 0; i < slots; i++)
	{
		slot_tag(tag, (first + i) % slots);
		if (LockAcquire(tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
			return;
	}
	slot_tag(tag, first);
	(void) LockAcquire(tag, ExclusiveLock, false, false);
}

/* For password_wait(): how long a hash takes here at present, the wait for a slot included. */
static void
remember_duration(const instr_time *begin)
{
	instr_time	passed;

	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, *begin);
	counter_statistic_set(COUNTER_HASH_MICROSECONDS, INSTR_TIME_GET_MICROSEC(passed));
}

void
password_wait_since(const instr_time *begin, int64 microseconds)
{
	for (;;)
	{
		instr_time	passed;
		int64		left;

		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(passed);
		INSTR_TIME_SUBTRACT(passed, *begin);
		left = microseconds - (int64) INSTR_TIME_GET_MICROSEC(passed);
		if (left <= 0)
			return;
		pg_usleep(left);
	}
}

void
password_wait(void)
{
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	password_wait_since(&begin, (int64) counter_statistic(COUNTER_HASH_MICROSECONDS));
}

static void
check_length(const char *password)
{
	if (strlen(password) > PASSWORD_MAX_LENGTH)
		raise_password_policy(psprintf("The password is longer than %d bytes.", PASSWORD_MAX_LENGTH));
}

void
password_check_policy(const char *password, const AccountPolicy *policy)
{
	const char *violations = password_policy_violations(password, &policy->password);

	if (violations != NULL)
		raise_password_policy(psprintf("The password %s.", violations));
}

char *
password_make_hash(const char *password, const AccountPolicy *policy)
{
	char	   *hash = palloc0(crypto_pwhash_STRBYTES);
	LOCKTAG		tag;
	instr_time	begin;
	int			result;

	check_length(password);
	INSTR_TIME_SET_CURRENT(begin);
	take_slot(&tag, policy->password_hash_concurrency);
	result = crypto_pwhash_str_alg(hash, password, strlen(password),
								   policy->password_hash_passes,
								   (size_t) policy->password_hash_memory_kib * 1024,
								   crypto_pwhash_ALG_ARGON2ID13);
	LockRelease(&tag, ExclusiveLock, false);
	remember_duration(&begin);
	if (result != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("A password hash needs %d kB.", policy->password_hash_memory_kib)));
	return hash;
}

static bool
hash_matches(const char *hash, const char *password, const AccountPolicy *policy)
{
	LOCKTAG		tag;
	instr_time	begin;
	bool		matches;

	INSTR_TIME_SET_CURRENT(begin);
	take_slot(&tag, policy->password_hash_concurrency);
	matches = crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
	LockRelease(&tag, ExclusiveLock, false);
	remember_duration(&begin);
	return matches;
}

bool
password_check(const pg_uuid_t *user_id, const char *password, const AccountPolicy *policy,
			   PasswordMatch *match)
{
	static const pg_uuid_t nobody;
	PasswordRow row;

	memset(match, 0, sizeof(PasswordMatch));
	if (strlen(password) > PASSWORD_MAX_LENGTH)
		return false;
	if (!passwords_find(user_id != NULL ? user_id : &nobody, &row))
	{
		/* Making a hash costs what checking one costs. */
		(void) password_make_hash(password, policy);
		return false;
	}
	if (!hash_matches(row.password_hash, password, policy))
		return false;
	match->hash = row.password_hash;
	if (crypto_pwhash_str_needs_rehash(row.password_hash, policy->password_hash_passes,
									   (size_t) policy->password_hash_memory_kib * 1024) != 0)
		match->new_hash = password_make_hash(password, policy);
	return true;
}

/* Another hash may be of the same password, made by another login. */
bool
password_confirm(const pg_uuid_t *user_id, const char *password, const AccountPolicy *policy,
				 const PasswordMatch *match, TimestampTz now)
{
	PasswordRow row;

	if (!passwords_find(user_id, &row))
		return false;
	if (strcmp(row.password_hash, match->hash) != 0)
		return hash_matches(row.password_hash, password, policy);
	if (match->new_hash != NULL)
		passwords_replace(user_id, match->hash, match->new_hash, now);
	return true;
}
