/*-------------------------------------------------------------------------
 *
 * password.c
 *	  Argon2id password hashes (RFC 9106), and how long they take.
 *
 * A hash takes much memory on purpose.  The number of hashes that are computed at
 * once is bounded, so that a storm of logins waits and does not use up the memory of
 * the server.  Each computation takes one of a number of slots.  A slot is a
 * heavyweight lock of the whole server, with a tag that no SQL function can lock.
 *
 * Passwords are hashed in the form of login_text_opaque(): devices and browsers send
 * the same letters in different normal forms of Unicode.  Other systems hash what the
 * browser sent, so an imported hash is compared with both.
 *
 * A backend holds a slot only while it computes, and waits for no other lock in the
 * meantime, so slots cannot take part in a deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/wipe.h"
#include "counters/counters.h"
#include "domain/imported_hash.h"
#include "domain/password.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "login_id/login_text.h"
#include "login_id/password_policy.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "store/passwords.h"
#include "store/settings.h"

/* The last field of a slot's lock tag; pg_advisory_lock() uses 1 and 2. */
#define SLOT_LOCK_SPACE		0x6161

static void
slot_tag(LOCKTAG *tag, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, slot, SLOT_LOCK_SPACE);
}

/*
 * Two for each processor: one computes while the other waits for memory.  The number is read
 * once a backend, because the C library opens files for it.
 */
static int
default_slots(void)
{
	static long processors = 0;

	if (processors == 0)
		processors = sysconf(_SC_NPROCESSORS_ONLN);
	return 2 * (int) Max(processors, 1);
}

/*
 * Take a slot, and wait for one if none is free.  concurrency 0 means
 * default_slots().  The caller releases the lock; an error does it with the abort.
 */
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

/* Keep for password_wait() how long a hash takes at present, including the wait for a slot. */
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

/* Raise AA011 with every rule of these bits (password_policy_check()). */
pg_noreturn static void
raise_broken_rules(uint32 broken, const PasswordPolicy *policy)
{
	StringInfoData reasons;
	StringInfoData clauses;
	int			rule;

	initStringInfo(&reasons);
	initStringInfo(&clauses);
	json_open_array(&reasons);
	for (rule = 0; rule < PASSWORD_RULES; rule++)
	{
		const char *member;
		int			number;

		if ((broken & (1 << rule)) == 0)
			continue;
		number = password_rule_number(rule, policy, &member);
		json_open(&reasons);
		json_add_string(&reasons, "reason", password_rule_code(rule));
		if (member != NULL)
			json_add_integer(&reasons, member, number);
		json_close(&reasons);
		appendStringInfo(&clauses, "%s%s", clauses.len > 0 ? "; " : "",
						 password_rule_clause(rule, policy));
	}
	json_close_array(&reasons);
	raise_password_policy(reasons.data, clauses.data);
}

void
password_check_policy(const char *password, const AccountPolicy *policy)
{
	uint32		broken = password_policy_check(password, &policy->password);

	if (broken != 0)
		raise_broken_rules(broken, &policy->password);
}

char *
password_make_hash(const char *password, const AccountPolicy *policy)
{
	char	   *hash = palloc0(crypto_pwhash_STRBYTES);
	char	   *normalised;
	LOCKTAG		tag;
	instr_time	begin;
	int			result;

	if (strlen(password) > PASSWORD_MAX_LENGTH)
		raise_broken_rules(1 << PASSWORD_TOO_LONG, &policy->password);
	INSTR_TIME_SET_CURRENT(begin);
	take_slot(&tag, policy->password_hash_concurrency);
	normalised = login_text_opaque(password);
	result = crypto_pwhash_str_alg(hash, normalised, strlen(normalised),
								   policy->password_hash_passes,
								   (size_t) policy->password_hash_memory_kib * 1024,
								   crypto_pwhash_ALG_ARGON2ID13);
	wipe_string(normalised);
	pfree(normalised);
	LockRelease(&tag, ExclusiveLock, false);
	remember_duration(&begin);
	if (result != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("A password hash needs %d kB of memory.", policy->password_hash_memory_kib)));
	return hash;
}

/* The caller has checked the length of the password. */
static bool
hash_matches(const char *hash, const char *password, const AccountPolicy *policy)
{
	char	   *normalised;
	LOCKTAG		tag;
	instr_time	begin;
	bool		matches;

	INSTR_TIME_SET_CURRENT(begin);
	take_slot(&tag, policy->password_hash_concurrency);
	normalised = login_text_opaque(password);
	matches = imported_hash_is(hash) ?
		imported_hash_matches(hash, password) ||
		(strcmp(normalised, password) != 0 && imported_hash_matches(hash, normalised)) :
		crypto_pwhash_str_verify(hash, normalised, strlen(normalised)) == 0;
	wipe_string(normalised);
	pfree(normalised);
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
		/* No such user: making a hash takes as long as checking one. */
		(void) password_make_hash(password, policy);
		return false;
	}
	if (!hash_matches(row.password_hash, password, policy))
		return false;
	match->hash = row.password_hash;
	if (imported_hash_is(row.password_hash) ||
		crypto_pwhash_str_needs_rehash(row.password_hash, policy->password_hash_passes,
									   (size_t) policy->password_hash_memory_kib * 1024) != 0)
		match->new_hash = password_make_hash(password, policy);
	return true;
}

/* A different hash may still be of the same password: another login replaced it. */
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
