/*-------------------------------------------------------------------------
 *
 * login_code.c
 *	  Codes that prove an address, whether or not a user has it: for logins, sign-ups
 *	  and promotions.
 *
 * A message has a code in two forms.  People type six digits, which can be guessed: there
 * are five attempts, and a hundred wrong ones a day for an address.  The link has a long
 * code with 128 random bits, which cannot be guessed; so strangers cannot use up its
 * attempts either.  The long code names its row.  The six digits are derived from it, so
 * that a page that gets the link can show them.
 *
 * The table holds keyed hashes.  Attempts are counted outside the transaction: a client
 * that rolls back has made its guess all the same.  Another counter marks a code that is
 * used up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "access/xact.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "counters/counters.h"
#include "domain/client_address.h"
#include "domain/login.h"
#include "domain/login_code.h"
#include "domain/message.h"
#include "domain/rate_limit.h"
#include "jose/base64url.h"
#include "keyring/master_key.h"
#include "login_id/login_text.h"
#include "store/settings.h"
#include "store/users.h"

#define DIGITS				6

/* Bytes of a text that can have six digits, with spaces and hyphens between them. */
#define DIGITS_MAX_LENGTH	64

#define NUMBER_OF_CODES		1000000

#define LINK_SECRET_LENGTH	16

/* The bytes of a long code; its text is their base64url. */
typedef struct LinkCode
{
	uint8		route[UUID_LEN];
	uint8		id[UUID_LEN];
	uint8		secret[LINK_SECRET_LENGTH];
} LinkCode;

StaticAssertDecl(sizeof(LinkCode) == 2 * UUID_LEN + LINK_SECRET_LENGTH, "LinkCode has padding");

#define LINK_CODE_LENGTH	BASE64URL_ENCODED_LENGTH(sizeof(LinkCode))

/* The two forms of a code.  The numbers go into hashes: do not change them. */
typedef enum CodeForm
{
	FORM_DIGITS = 1,
	FORM_LINK = 2
} CodeForm;

/* The names of counters, by the id of the code. */
#define DIGITS_COUNTER		"login_code/digits"
#define LINK_COUNTER		"login_code/link"
#define USED_COUNTER		"login_code/used"

/* For how long a used code is marked: longer than any code lives. */
#define USED_INTERVAL		(2 * USECS_PER_DAY)

/* ---- making ---- */

static char *
digits_of_secret(const uint8 secret[LINK_SECRET_LENGTH])
{
	static const char context[] = "anon_auth six digits of a login code";
	crypto_generichash_state state;
	uint8		hash[crypto_generichash_BYTES];
	uint64		number;

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8 *) context, sizeof(context));
	crypto_generichash_update(&state, secret, LINK_SECRET_LENGTH);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(&number, hash, sizeof(number));
	sodium_memzero(hash, sizeof(hash));
	return psprintf("%06u", (unsigned) (number % NUMBER_OF_CODES));
}

static char *
text_of_link_code(const LinkCode *link)
{
	char	   *text = palloc0(LINK_CODE_LENGTH + 1);

	base64url_encode(text, (const uint8 *) link, sizeof(LinkCode));
	return text;
}

/* Hash a code together with its row, so that no row can be used in place of another. */
static void
hash_code(const AddressCode *row, CodeForm form, const void *code, size_t length,
		  const uint8 *key, uint8 hash[SECRET_HASH_LENGTH])
{
	crypto_generichash_state state;
	uint8		form_byte = (uint8) form;

	crypto_generichash_init(&state, key, TOKEN_KEY_LENGTH, SECRET_HASH_LENGTH);
	crypto_generichash_update(&state, row->route.data, UUID_LEN);
	crypto_generichash_update(&state, row->id.data, UUID_LEN);
	crypto_generichash_update(&state, row->asker.data, UUID_LEN);
	crypto_generichash_update(&state, (const uint8 *) row->recipient, strlen(row->recipient) + 1);
	crypto_generichash_update(&state, &form_byte, sizeof(form_byte));
	crypto_generichash_update(&state, code, length);
	crypto_generichash_final(&state, hash, SECRET_HASH_LENGTH);
}

static void
hash_new_code(const AddressCode *row, CodeForm form, const void *code, size_t length,
			  uint8 hash[SECRET_HASH_LENGTH])
{
	hash_code(row, form, code, length, master_key_derived(MASTER_KEY_LOGIN_CODE, 0), hash);
}

/* Return whether hash is that of a code under one of the master keys. */
static bool
hash_matches(const AddressCode *row, CodeForm form, const void *code, size_t length,
			 const uint8 hash[SECRET_HASH_LENGTH])
{
	uint8		other[SECRET_HASH_LENGTH];
	const uint8 *key;
	bool		matches = false;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_LOGIN_CODE, i)) != NULL; i++)
	{
		hash_code(row, form, code, length, key, other);
		matches |= sodium_memcmp(hash, other, SECRET_HASH_LENGTH) == 0;
	}
	return matches;
}

/* Make a long code for a row, set its hash, and return its text. */
static char *
make_link_code(AddressCode *row, char **digits)
{
	LinkCode	link;
	char	   *text;

	memcpy(link.route, row->route.data, UUID_LEN);
	memcpy(link.id, row->id.data, UUID_LEN);
	randombytes_buf(link.secret, LINK_SECRET_LENGTH);
	row->link_code_hash = palloc(VARHDRSZ + SECRET_HASH_LENGTH);
	SET_VARSIZE(row->link_code_hash, VARHDRSZ + SECRET_HASH_LENGTH);
	hash_new_code(row, FORM_LINK, link.secret, LINK_SECRET_LENGTH,
				  (uint8 *) VARDATA(row->link_code_hash));
	*digits = digits_of_secret(link.secret);
	text = text_of_link_code(&link);
	sodium_memzero(&link, sizeof(link));
	return text;
}

/* ---- counting ---- */

static char *
counter_of(const char *name, const AddressCode *row)
{
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_to_text(&row->id, id);
	return psprintf("%s/%s", name, id);
}

static bool
is_used(const AddressCode *row)
{
	int64		uses = 0;

	(void) counter_get(counter_of(USED_COUNTER, row), USED_INTERVAL, &uses);
	return uses > 0;
}

/*
 * Return whether anybody can have received the code.  It is not sent before its
 * transaction commits.  An attempt within that transaction is a guess, which could
 * be taken back together with the code.
 */
static bool
was_sent(const AddressCode *row)
{
	return row->created_at < GetCurrentTransactionStartTimestamp();
}

/*
 * Count an attempt.  Return false if there were too many, or if there is no room for the
 * counter.
 */
static bool
count_attempt(const char *counter, const AddressCode *row, int max_attempts)
{
	int64		lifetime = row->expires_at - GetCurrentTimestamp();
	int64		attempts;

	if (lifetime <= 0)
		return false;
	attempts = counter_increment(counter, lifetime, false);
	return attempts > 0 && attempts <= max_attempts;
}

/* Return whether the six digits of a code can still be tried. */
static bool
has_attempts_left(const AddressCode *row)
{
	int64		attempts = 0;

	counter_get(counter_of(DIGITS_COUNTER, row), USED_INTERVAL, &attempts);
	return attempts < LOGIN_CODE_ATTEMPTS && !is_used(row);
}

/* ---- sending ---- */

int64
login_code_time_without_room(const LoginId *address, const pg_uuid_t *asker, TimestampTz now)
{
	pg_uuid_t	route = login_ids_route(address);
	int64		wait = USECS_PER_DAY;
	int			count;
	int			live = 0;
	AddressCode *rows = address_codes_find(&route, asker, now, &count);
	int			i;

	for (i = 0; i < count; i++)
		if (has_attempts_left(&rows[i]))
		{
			wait = Min(wait, rows[i].expires_at - now);
			live++;
		}
	return live < LOGIN_CODES_MAX ? 0 : wait;
}

static void
send_message(const AddressCode *row, MessageType type, const CodeDelivery *delivery,
			 const char *digits, const char *link_code, TimestampTz now)
{
	OutboxMessage message = {
		.route = row->route,
		.type = type,
		.login_id_type = row->login_id_type,
		.recipient = row->recipient,
		.client_id = (char *) delivery->client_id,
		.language = (char *) delivery->language,
		.expires_at = row->expires_at
	};

	message_send(&message, digits, link_code, now);
}

TimestampTz
login_code_send(const LoginId *address, const pg_uuid_t *asker, MessageType type,
				const CodeDelivery *delivery, TimestampTz now)
{
	AddressCode row = {
		.route = login_ids_route(address),
		.id = uuid_new_v7(now),
		.login_id_type = address->type,
		.recipient = (char *) delivery->recipient,
		/* A cookie session may have no client. */
		.client_id = delivery->client_id != NULL ? (char *) delivery->client_id : "",
		.created_at = now
	};
	CodePolicy	policy;
	char	   *digits;
	char	   *link_code = NULL;

	settings_read_code_policy(&policy);
	row.expires_at = now + policy.login_code_lifetime_seconds * USECS_PER_SEC;
	if (asker != NULL)
		row.asker = *asker;
	if (policy.code_link_uri != NULL)
		link_code = make_link_code(&row, &digits);
	else
		digits = psprintf("%06u", randombytes_uniform(NUMBER_OF_CODES));
	hash_new_code(&row, FORM_DIGITS, digits, DIGITS, row.code_hash);
	address_codes_insert(&row, settings_get()->session_client_address ?
						 client_address_in_full() : NULL, delivery->flow);
	send_message(&row, type, delivery, digits, link_code, now);
	return row.expires_at;
}

const char *
login_code_recipient(const LoginId *address)
{
	LoginIdRow	given = {
		.type = address->type,
		.value = address->value,
		.original_value = address->original_value
	};
	LoginIdRow	known;

	if (login_ids_find(address, &known) && known.verified)
		return message_recipient(&known);
	return message_recipient(&given);
}

/* ---- checking ---- */

/*
 * Fill digits with the code that a text is, without spaces and hyphens.  False if it is none.
 * NFKC replaces the full-width digits of Chinese and Japanese keyboards, and most of the
 * spaces and hyphens of Unicode.
 */
static bool
read_digits(const char *text, char digits[DIGITS + 1])
{
	char	   *plain;
	const char *c;
	int			count = 0;

	if (strlen(text) > DIGITS_MAX_LENGTH)
		return false;
	plain = login_text_normalise(text, false);
	for (c = plain; *c != '\0'; c++)
	{
		if (strchr(" \t\r\n-", *c) != NULL)
			continue;
		if (*c < '0' || *c > '9' || count == DIGITS)
			break;
		digits[count++] = *c;
	}
	digits[count] = '\0';
	if (*c != '\0')
		count = 0;
	wipe_bytes(plain, strlen(plain));
	return count == DIGITS;
}

static bool
read_link_code(const char *text, LinkCode *link)
{
	size_t		length = sizeof(LinkCode);

	return strlen(text) == LINK_CODE_LENGTH &&
		base64url_decode((uint8 *) link, &length, text, LINK_CODE_LENGTH) == JOSE_OK &&
		length == sizeof(LinkCode);
}

/* The name by which wrong digits for an address are counted. */
static char *
subject_of_guesses(const LoginId *address)
{
	return psprintf("login/%s/%s", login_id_type_name(address->type), address->value);
}

/*
 * Every row counts the attempt before any is compared: otherwise, many attempts could be
 * made at the same time.  If none has attempts left, this is no guess.
 */
static bool
digits_match(const LoginId *address, const pg_uuid_t *asker, const char *digits,
			 TimestampTz now, LoginCode *code)
{
	pg_uuid_t	route = login_ids_route(address);
	int			count;
	AddressCode *rows = address_codes_find(&route, asker, now, &count);
	bool	   *live = palloc0(sizeof(bool) * Max(count, 1));
	bool		any = false;
	bool		right = false;
	int			i;

	for (i = 0; i < count; i++)
	{
		live[i] = was_sent(&rows[i]) && !is_used(&rows[i]) &&
			count_attempt(counter_of(DIGITS_COUNTER, &rows[i]), &rows[i], LOGIN_CODE_ATTEMPTS);
		any |= live[i];
	}
	if (!any)
		return false;
	rate_limit_code_attempt_for_recipient(subject_of_guesses(address));
	for (i = 0; i < count; i++)
		if (live[i] && hash_matches(&rows[i], FORM_DIGITS, digits, DIGITS, rows[i].code_hash))
		{
			code->row = rows[i];
			right = true;
		}
	if (!right)
		return false;
	rate_limit_code_attempt_was_right(subject_of_guesses(address));
	for (i = 0; i < count; i++)
		if (live[i])
			counter_decrement(counter_of(DIGITS_COUNTER, &rows[i]));
	return true;
}

/* Fill row with that of a long code if it is right. */
static bool
find_link_code(const LinkCode *link, TimestampTz now, AddressCode *row)
{
	pg_uuid_t	route;
	pg_uuid_t	id;
	char	   *counter;

	memcpy(route.data, link->route, UUID_LEN);
	memcpy(id.data, link->id, UUID_LEN);
	if (!address_codes_find_one(&route, &id, now, row) || row->link_code_hash == NULL ||
		!was_sent(row) || is_used(row))
		return false;
	counter = counter_of(LINK_COUNTER, row);
	if (!count_attempt(counter, row, LINK_CODE_ATTEMPTS) ||
		VARSIZE_ANY_EXHDR(row->link_code_hash) != SECRET_HASH_LENGTH ||
		!hash_matches(row, FORM_LINK, link->secret, LINK_SECRET_LENGTH,
					  (const uint8 *) VARDATA_ANY(row->link_code_hash)))
		return false;
	counter_decrement(counter);
	return true;
}

static bool
link_code_matches(const LoginId *address, const pg_uuid_t *asker, const LinkCode *link,
				  TimestampTz now, LoginCode *code)
{
	static const pg_uuid_t nobody;
	pg_uuid_t	route = login_ids_route(address);

	return memcmp(route.data, link->route, UUID_LEN) == 0 &&
		find_link_code(link, now, &code->row) &&
		uuid_equals(&code->row.asker, asker != NULL ? asker : &nobody);
}

/* If the rules for addresses have changed, the recipient can now be another login ID. */
static bool
read_address(const AddressCode *row, LoginId *address)
{
	AccountPolicy policy;
	pg_uuid_t	route;

	settings_read_account_policy(&policy);
	if (!login_parse_id(row->recipient, &policy, address))
		return false;
	route = login_ids_route(address);
	return uuid_equals(&route, &row->route);
}

bool
login_code_is_of_link(const char *text)
{
	LinkCode	link;
	bool		is_long = read_link_code(text, &link);

	sodium_memzero(&link, sizeof(link));
	return is_long;
}

bool
login_code_open_link(const char *text, TimestampTz now, LoginLink *link)
{
	LinkCode	code;
	User		asker;
	bool		right;

	memset(link, 0, sizeof(LoginLink));
	right = read_link_code(text, &code) && find_link_code(&code, now, &link->row) &&
		read_address(&link->row, &link->address);
	if (right)
	{
		link->digits = digits_of_secret(code.secret);
		(void) address_codes_find_origin(&link->row, &link->origin);
		link->adds_address = !uuid_is_nil(&link->row.asker) &&
			users_find(&link->row.asker, &asker) && !asker.is_anonymous;
	}
	else
		counter_statistic_add(COUNTER_WRONG_CODES, 1);
	sodium_memzero(&code, sizeof(code));
	return right;
}

bool
login_code_matches(const LoginId *address, const pg_uuid_t *asker, const char *text,
				   TimestampTz now, LoginCode *code)
{
	LinkCode	link;
	char		digits[DIGITS + 1];
	bool		right = false;

	memset(code, 0, sizeof(LoginCode));
	if (read_link_code(text, &link))
		right = link_code_matches(address, asker, &link, now, code);
	else if (read_digits(text, digits))
		right = digits_match(address, asker, digits, now, code);
	sodium_memzero(&link, sizeof(link));
	if (!right)
		counter_statistic_add(COUNTER_WRONG_CODES, 1);
	return right;
}

bool
login_code_proves(const LoginCode *code, const LoginIdRow *login_id)
{
	const char *known = message_recipient(login_id);

	return strcmp(code->row.recipient, known) == 0 ||
		(!login_id->verified && login_id_differs_in_case_only(code->row.recipient, known));
}

/* Marks the code in its counter first: it stays used up even if this transaction rolls back. */
bool
login_code_use_up(const LoginCode *code)
{
	if (code->row.expires_at <= GetCurrentTimestamp() ||
		counter_increment(counter_of(USED_COUNTER, &code->row), USED_INTERVAL, false) != 1)
		return false;
	return address_codes_delete(&code->row);
}

/* The rollback brings the row back. */
void
login_code_give_back(const LoginCode *code)
{
	counter_decrement(counter_of(USED_COUNTER, &code->row));
}
