/*-------------------------------------------------------------------------
 *
 * one_time_code.c
 *	  One-time codes that are sent to an e-mail address or phone number.
 *
 * The user who asked for a verification code types it from a phone.  It has six
 * digits, and five attempts.  A password reset is different: anybody can ask for a
 * code and try codes, and the right one opens the account.  So that code has 50
 * random bits, and 100 attempts, so that wrong attempts of others do not keep the
 * user from using it.
 *
 * The table holds a keyed hash of a code.  Until a worker has taken the message,
 * the outbox also has the code, sealed with the master key (message.c).
 *
 * Attempts are counted outside the transaction: a client that rolls back has made
 * its guess all the same.  The same counter marks a code that is used up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <sodium.h>

#include "access/xact.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "counters/counters.h"
#include "domain/message.h"
#include "domain/one_time_code.h"
#include "keyring/master_key.h"
#include "store/one_time_codes.h"
#include "store/record.h"
#include "store/settings.h"
#include "token/token.h"

/* Characters of a verification code, and of a password reset code, of 5 bits each. */
#define DIGITS_LENGTH			6
#define RESET_CODE_LENGTH		10

/* The value of the attempts counter of a used code: no number of attempts gets there. */
#define USED_UP					(INT64CONST(1) << 32)

/* Crockford's base 32, which leaves out letters that look like digits. */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static char *
make_code(CodePurpose purpose)
{
	char	   *code;
	int			i;

	if (purpose == CODE_VERIFICATION)
		return psprintf("%06u", randombytes_uniform(1000000));
	code = palloc0(RESET_CODE_LENGTH + 1);
	for (i = 0; i < RESET_CODE_LENGTH; i++)
		code[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
	return code;
}

/* Return a typed code as it was sent: in upper case, without spaces and hyphens, 1 for I and L. */
static char *
canonical_code(const char *typed)
{
	char	   *code = palloc(strlen(typed) + 1);
	char	   *end = code;

	for (; *typed != '\0'; typed++)
	{
		char		c = pg_ascii_toupper((unsigned char) *typed);

		if (c == ' ' || c == '-')
			continue;
		*end++ = c == 'I' || c == 'L' ? '1' : c == 'O' ? '0' : c;
	}
	*end = '\0';
	return code;
}

/*
 * Hash a code together with its key, so that no row can be used in place of another, and
 * with the address that it was sent to: it must not prove another address of the user.
 */
static void
hash_code(const OneTimeCodeKey *key, const char *recipient, const char *code,
		  const uint8 *secret, uint8 hash[SECRET_HASH_LENGTH])
{
	crypto_generichash_state state;
	uint8		use[2] = {(uint8) key->purpose, (uint8) key->login_id_type};

	crypto_generichash_init(&state, secret, TOKEN_KEY_LENGTH, SECRET_HASH_LENGTH);
	crypto_generichash_update(&state, key->user_id.data, UUID_LEN);
	crypto_generichash_update(&state, use, sizeof(use));
	crypto_generichash_update(&state, (const uint8 *) recipient, strlen(recipient) + 1);
	crypto_generichash_update(&state, (const uint8 *) code, strlen(code));
	crypto_generichash_final(&state, hash, SECRET_HASH_LENGTH);
}

/* In seconds. */
static int
code_lifetime(CodePurpose purpose)
{
	CodePolicy	policy;

	settings_read_code_policy(&policy);
	return purpose == CODE_PASSWORD_RESET ?
		policy.password_reset_code_lifetime_seconds : policy.verification_code_lifetime_seconds;
}

static void
send_message(const OneTimeCodeKey *key, const CodeDelivery *delivery, const char *code,
			 TimestampTz expires_at, TimestampTz now)
{
	OutboxMessage message = {
		.route = key->user_id,
		.user_id = key->user_id,
		.type = key->purpose == CODE_VERIFICATION ? MESSAGE_VERIFICATION : MESSAGE_PASSWORD_RESET,
		.login_id_type = key->login_id_type,
		.recipient = (char *) delivery->recipient,
		.client_id = (char *) delivery->client_id,
		.language = (char *) delivery->language,
		.expires_at = expires_at
	};

	message_send(&message, code, NULL, now);
}

TimestampTz
one_time_code_send(const OneTimeCodeKey *key, const CodeDelivery *delivery, TimestampTz now)
{
	TimestampTz expires_at = now +
		code_lifetime(key->purpose) * USECS_PER_SEC;
	char	   *code = make_code(key->purpose);
	OneTimeCode row = {.created_at = now,.expires_at = expires_at};

	hash_code(key, delivery->recipient, code, master_key_derived(MASTER_KEY_ONE_TIME_CODE, 0),
			  row.code_hash);
	one_time_codes_replace(key, &row);
	send_message(key, delivery, code, expires_at, now);
	return expires_at;
}

/* Return the name of the counter of a code, which a newer code with the same key does not share. */
static char *
attempts_counter(const OneTimeCodeKey *key, const OneTimeCode *code)
{
	char		user[UUID_TEXT_LENGTH + 1];

	uuid_to_text(&key->user_id, user);
	return psprintf("code/attempts/%d/%d/%s/%lld", key->purpose, key->login_id_type, user,
					(long long) code->created_at);
}

static int
max_attempts(const OneTimeCodeKey *key)
{
	return key->purpose == CODE_VERIFICATION ? VERIFICATION_CODE_ATTEMPTS : RESET_CODE_ATTEMPTS;
}

/*
 * Return whether anybody can have received the code.  It is not sent before its
 * transaction commits.  An attempt within that transaction is a guess, which could
 * be taken back together with the code.
 */
static bool
was_sent(const OneTimeCode *code)
{
	return code->created_at < GetCurrentTransactionStartTimestamp();
}

/* Count an attempt.  Return false if there were too many, or the code is expired or used up. */
static bool
count_attempt(const OneTimeCodeKey *key, const OneTimeCode *code)
{
	int64		lifetime = code->expires_at - GetCurrentTimestamp();
	int64		attempts;

	if (lifetime <= 0)
		return false;

	/*
	 * No room for a counter is equivalent to too many attempts.  An error would tell
	 * that there is a code.
	 */
	attempts = counter_increment(attempts_counter(key, code), lifetime, false);
	return attempts > 0 && attempts <= max_attempts(key);
}

bool
one_time_code_matches(const OneTimeCodeKey *key, const char *recipient, const char *typed,
					  TimestampTz now, OneTimeCode *code)
{
	char	   *canonical = canonical_code(typed);
	uint8		hash[SECRET_HASH_LENGTH];
	const uint8 *secret;
	bool		live;
	bool		right = false;
	int			i;

	memset(code, 0, sizeof(OneTimeCode));
	live = one_time_codes_find(key, now, code) && was_sent(code) && count_attempt(key, code);
	for (i = 0; (secret = master_key_derived(MASTER_KEY_ONE_TIME_CODE, i)) != NULL; i++)
	{
		hash_code(key, recipient, canonical, secret, hash);
		right |= sodium_memcmp(hash, code->code_hash, SECRET_HASH_LENGTH) == 0;
	}
	if (live && right)
		return true;
	counter_statistic_add(COUNTER_WRONG_CODES, 1);
	return false;
}

/* Marks the code in its counter first: it stays used up even if this transaction rolls back. */
bool
one_time_code_use_up(const OneTimeCodeKey *key, const OneTimeCode *code)
{
	char	   *counter = attempts_counter(key, code);
	int64		attempts;
	int64		lifetime = code->expires_at - GetCurrentTimestamp();

	if (lifetime <= 0 || (counter_get(counter, lifetime, &attempts) != 0 && attempts >= USED_UP))
		return false;
	counter_set(counter, USED_UP, lifetime);
	return one_time_codes_delete(key, code->created_at);
}

bool
one_time_code_check(const OneTimeCodeKey *key, const char *recipient, const char *typed,
					TimestampTz now)
{
	OneTimeCode code;

	return one_time_code_matches(key, recipient, typed, now, &code) &&
		one_time_code_use_up(key, &code);
}

OneTimeCodeForm
one_time_code_form(const char *text)
{
	size_t		length = strlen(text);

	if (length == DIGITS_LENGTH && strspn(text, "0123456789") == length)
		return CODE_FORM_DIGITS;
	if (length == RESET_CODE_LENGTH && strspn(text, alphabet) == length)
		return CODE_FORM_RESET;
	return CODE_FORM_NONE;
}
