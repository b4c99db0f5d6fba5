/*-------------------------------------------------------------------------
 *
 * password_reset.c
 *	  Reset of a password with a code that is sent to the user's address.
 *
 * Anybody can call these functions with any login ID.  Neither results nor limits
 * nor time may tell whether a user has it, or whether a code was sent.
 *
 * Locks must not tell it either.  A wrong code takes no lock and writes no row, so
 * that its transaction has nothing to commit, whether there is a user or not.  A
 * request takes a lock that is keyed by the login ID, and writes an event, in both
 * cases.  It locks the user's row in share mode only: requests for two addresses of
 * a user do not wait for each other, and logins do not wait for requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "domain/account_login_ids.h"
#include "domain/login.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/one_time_code.h"
#include "domain/password.h"
#include "domain/password_change.h"
#include "domain/password_reset.h"
#include "domain/reclaimed_account.h"
#include "domain/rate_limit.h"
#include "keyring/master_key.h"
#include "login_id/login_id.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/outbox.h"
#include "store/settings.h"
#include "store/users.h"
#include "token/token.h"

/* The last field of the lock tag of a login ID; pg_advisory_lock() uses 1 and 2. */
#define LOGIN_ID_LOCK_SPACE	0x6165

/*
 * Microseconds that a call takes at least.  This is longer than either function
 * works, unless it waits for a lock.  Rows are written only for users, which takes
 * time; waiting in all cases costs less than writing rows that nobody needs.
 */
#define EVEN_TIME_USECS		10000

/*
 * The login ID that a call is about.  If no code can be sent, key.user_id is the nil
 * UUID: no user has it, so no lock and no code is found.
 */
typedef struct Subject
{
	OneTimeCodeKey key;
	LoginId		login_id;
	bool		known;			/* user is filled */
	User		user;
	const char *recipient;		/* NULL: no code can be sent */
} Subject;

/*
 * Return the address that codes for a login ID of a user are sent to, or NULL.  The
 * person who created the account may have added an address of somebody else.  So
 * once one address is verified, addresses that are not can no longer open the
 * account; verifying them takes a login.
 */
static const char *
recipient_of_user(const User *user, const LoginId *login_id)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
		if (rows[i].type == login_id->type && strcmp(rows[i].value, login_id->value) == 0 &&
			(rows[i].verified || !user->is_verified))
			return message_recipient(&rows[i]);
	return NULL;
}

static LoginIdType
address_type(const LoginId *login_id)
{
	return login_id->type == LOGIN_ID_PHONE_NUMBER ? LOGIN_ID_PHONE_NUMBER : LOGIN_ID_EMAIL;
}

/* Begin a subject from a text.  Return whether a user could have it; reads no row. */
static bool
read_subject(const char *text, const AccountPolicy *policy, Subject *subject)
{
	memset(subject, 0, sizeof(Subject));
	return login_parse_id(text, policy, &subject->login_id);
}

/* Look the subject up.  A username has no address that a code could be sent to. */
static void
find_subject(Subject *subject, bool is_possible)
{
	pg_uuid_t	owner;

	subject->known = is_possible &&
		subject->login_id.type != LOGIN_ID_USERNAME &&
		login_ids_owner(&subject->login_id, &owner) &&
		users_find(&owner, &subject->user) && !subject->user.is_disabled;
	subject->key.purpose = CODE_PASSWORD_RESET;
	subject->key.login_id_type = address_type(&subject->login_id);
	if (subject->known)
		subject->recipient = recipient_of_user(&subject->user, &subject->login_id);
	if (subject->recipient != NULL)
		subject->key.user_id = owner;
}

/*
 * Wait until other requests for this login ID have ended their transactions.  The
 * lock tag is a keyed hash, because everybody can read pg_locks.
 */
static void
lock_login_id(const LoginId *login_id)
{
	uint8		hash[crypto_generichash_BYTES];
	uint32		field[2];
	LOCKTAG		tag;

	crypto_generichash(hash, sizeof(hash), (const uint8 *) login_id->value, strlen(login_id->value),
					   master_key_derived(MASTER_KEY_ONE_TIME_CODE, 0), TOKEN_KEY_LENGTH);
	memcpy(field, hash, sizeof(field));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, field[0], field[1], LOGIN_ID_LOCK_SPACE);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
password_reset_request(const char *login_id, const CodeDelivery *request, TimestampTz now)
{
	CodeDelivery delivery = *request;
	AccountPolicy policy;
	Subject		subject;
	bool		is_possible;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	settings_read_account_policy(&policy);
	rate_limit_code_attempt_by_address();
	is_possible = read_subject(login_id, &policy, &subject);
	if (is_possible)
		message_require_allowed_country(&subject.login_id, &policy);

	/* This may raise an error at once, without waiting, so nothing may be looked up before. */
	rate_limit_code_request("password_reset", subject.login_id.type, subject.login_id.value);
	find_subject(&subject, is_possible);
	lock_login_id(&subject.login_id);
	if (users_keep(&subject.key.user_id))
	{
		delivery.recipient = subject.recipient;
		if (delivery.language == NULL)
			delivery.language = message_language_of_user(&subject.user);
		one_time_code_send(&subject.key, &delivery, now);
	}
	events_insert("password_reset.requested", subject.known ? &subject.user.id : NULL, NULL,
				  NULL, now);

	/* Notify workers even if there is no message, because everybody can LISTEN. */
	outbox_notify();
	password_wait_since(&begin, EVEN_TIME_USECS);
}

/*
 * Return whether the address still opens the account, whose row the caller holds: while
 * this call waited for it, another address may have been verified, or this one taken away.
 */
static bool
is_still_open(Subject *subject)
{
	const char *recipient;

	if (!users_find(&subject->key.user_id, &subject->user) || subject->user.is_disabled)
		return false;
	recipient = recipient_of_user(&subject->user, &subject->login_id);
	return recipient != NULL && strcmp(recipient, subject->recipient) == 0;
}

/* The code has proven the address.  One that was verified keeps the time of its proof. */
static void
mark_verified(const Subject *subject, TimestampTz now)
{
	LoginIdRow	row;

	if (login_ids_find(&subject->login_id, &row) && !row.verified)
		account_login_ids_verify(&subject->user, &row, row.original_value, now);
	else
		users_set_verified(&subject->user.id, true, now);
}

bool
password_reset_complete(const char *login_id, const char *code, const char *password,
						TimestampTz now)
{
	AccountPolicy policy;
	Subject		subject;
	const pg_uuid_t *id = &subject.key.user_id;
	OneTimeCode live;
	char	   *hash;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	settings_read_account_policy(&policy);
	rate_limit_code_attempt_by_address();

	/* Before the code is checked: this error would otherwise tell that the code is right. */
	password_check_policy(password, &policy);
	find_subject(&subject, read_subject(login_id, &policy, &subject));
	if (!one_time_code_matches(&subject.key, subject.recipient != NULL ? subject.recipient : "",
							   code, now, &live) || !users_lock(id) ||
		!is_still_open(&subject) || !one_time_code_use_up(&subject.key, &live))
	{
		password_wait_since(&begin, EVEN_TIME_USECS);
		return false;
	}
	hash = password_make_hash(password, &policy);
	if (!subject.user.is_verified)
		reclaimed_account_reset(NULL, &subject.login_id, subject.recipient, now, &subject.user);
	password_change_apply(&subject.user, hash, NULL, now);
	mark_verified(&subject, now);
	events_insert("password.reset", id, NULL, NULL, now);
	/* Somebody who reads the user's messages has reset it, or the user. */
	if (users_find(id, &subject.user))
		message_notify_user(&subject.user, MESSAGE_PASSWORD_CHANGED, NULL, now);
	return true;
}
