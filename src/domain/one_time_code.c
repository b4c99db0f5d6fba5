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
 * the outbox also has the code, sealed with the master key.
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
#include "domain/code_link.h"
#include "domain/one_time_code.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"
#include "login_id/login_id.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/outbox.h"
#include "store/record.h"
#include "store/settings.h"
#include "token/token.h"

/* Characters of a password reset code, of 5 bits each. */
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

/* Hash a code together with its key, so that no row can be used in place of another. */
static void
hash_code(const OneTimeCodeKey *key, const char *code, const uint8 *secret,
		  uint8 hash[SECRET_HASH_LENGTH])
{
	crypto_generichash_state state;
	uint8		use[2] = {(uint8) key->purpose, (uint8) key->login_id_type};

	crypto_generichash_init(&state, secret, TOKEN_KEY_LENGTH, SECRET_HASH_LENGTH);
	crypto_generichash_update(&state, key->user_id.data, UUID_LEN);
	crypto_generichash_update(&state, use, sizeof(use));
	crypto_generichash_update(&state, (const uint8 *) code, strlen(code));
	crypto_generichash_final(&state, hash, SECRET_HASH_LENGTH);
}

/*
 * Return the bytes that a sealed code is bound to, and their number: the row and the
 * address.  Otherwise, an attacker who can write to the outbox could have another
 * user's code sent to an address of theirs.
 */
static size_t
identity_of_message(const OutboxMessage *message, uint8 **identity)
{
	size_t		recipient_length = strlen(message->recipient);

	*identity = palloc(2 * UUID_LEN + recipient_length);
	memcpy(*identity, message->user_id.data, UUID_LEN);
	memcpy(*identity + UUID_LEN, message->id.data, UUID_LEN);
	memcpy(*identity + 2 * UUID_LEN, message->recipient, recipient_length);
	return 2 * UUID_LEN + recipient_length;
}

static void
put_into_outbox(const OneTimeCodeKey *key, const CodeDelivery *delivery, const char *code,
				TimestampTz expires_at, TimestampTz now)
{
	OutboxMessage message = {.user_id = key->user_id,.id = uuid_new_v7(now)};
	uint8	   *identity;
	size_t		length;

	message.recipient = (char *) delivery->recipient;
	message.client_id = (char *) delivery->client_id;
	message.language = (char *) delivery->language;
	message.created_at = now;
	message.expires_at = expires_at;
	length = identity_of_message(&message, &identity);
	message.sealed_code = sealing_seal(MASTER_KEY_OUTBOX, code, strlen(code), identity, length);
	outbox_put(key, &message);
}

/* Fill in the code of a message; return false if it cannot be opened. */
static bool
open_sealed_code(CodeMessage *message)
{
	uint8	   *identity;
	size_t		identity_length = identity_of_message(&message->row, &identity);
	size_t		length;

	message->code = palloc0(VARSIZE_ANY_EXHDR(message->row.sealed_code) + 1);
	return sealing_open(MASTER_KEY_OUTBOX, message->row.sealed_code, identity, identity_length,
						message->code, VARSIZE_ANY_EXHDR(message->row.sealed_code), &length);
}

CodeMessage *
one_time_code_take_messages(int limit, TimestampTz now, int *count)
{
	int			taken;
	OutboxMessage *rows = outbox_take(limit, now, &taken);
	CodeMessage *messages = palloc(sizeof(CodeMessage) * Max(taken, 1));
	CodePolicy	policy;
	int			i;

	settings_read_code_policy(&policy);
	*count = 0;
	for (i = 0; i < taken; i++)
	{
		messages[*count].row = rows[i];
		if (open_sealed_code(&messages[*count]))
		{
			messages[*count].link = policy.code_link_uri == NULL ? NULL :
				code_link_make(policy.code_link_uri, &rows[i], messages[*count].code);
			(*count)++;
		}
		else
			ereport(WARNING,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("dropped a message of the outbox because its code cannot be opened"),
					 errdetail("The code was sealed with a master key that has been retired, with another database_id, or for another row."),
					 errhint("The user must request another code.")));
	}
	return messages;
}

const char *
one_time_code_recipient(const LoginIdRow *row)
{
	LoginIdPolicy rules = {0};
	LoginId		folded;
	LoginId		as_given;

	if (login_id_normalise(row->type, row->original_value, &rules, &folded) != LOGIN_ID_ACCEPTED)
		return row->value;
	rules.email_case_sensitive = true;
	if (login_id_normalise(row->type, row->original_value, &rules, &as_given) != LOGIN_ID_ACCEPTED)
		return row->value;
	if (!login_id_differs_in_case_only(as_given.value, folded.value))
		return row->value;
	return as_given.value;
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

TimestampTz
one_time_code_send(const OneTimeCodeKey *key, const CodeDelivery *delivery, TimestampTz now)
{
	TimestampTz expires_at = now +
		code_lifetime(key->purpose) * USECS_PER_SEC;
	char	   *code = make_code(key->purpose);
	OneTimeCode row = {.created_at = now,.expires_at = expires_at};

	hash_code(key, code, master_key_derived(MASTER_KEY_ONE_TIME_CODE, 0), row.code_hash);
	one_time_codes_replace(key, &row);
	put_into_outbox(key, delivery, code, expires_at, now);
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
one_time_code_matches(const OneTimeCodeKey *key, const char *typed, TimestampTz now,
					  OneTimeCode *code)
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
		hash_code(key, canonical, secret, hash);
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
one_time_code_check(const OneTimeCodeKey *key, const char *typed, TimestampTz now)
{
	OneTimeCode code;

	return one_time_code_matches(key, typed, now, &code) &&
		one_time_code_use_up(key, &code);
}
