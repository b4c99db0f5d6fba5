/*-------------------------------------------------------------------------
 *
 * password_reset.c
 *	  Whoever reads the mail of a user sets a new password.
 *
 * Anybody can ask, for any login ID: neither result nor limits nor time tell
 * whether there is such a user, or whether a code was sent to it.
 *
 * Nor do locks.  A wrong code takes none and writes no row, so that its transaction
 * has nothing to commit, whoever it is for.  A request takes one that is keyed by
 * the login ID, for users and for others alike, and writes an event in both cases.  It
 * shares the user's row, so that requests for two addresses of a user do not wait
 * for each other, and logins do not wait for requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "domain/login.h"
#include "domain/one_time_code.h"
#include "domain/password.h"
#include "domain/password_attempt.h"
#include "domain/password_reset.h"
#include "domain/rate_limit.h"
#include "keyring/master_key.h"
#include "login_id/login_id.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/outbox.h"
#include "store/passwords.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"
#include "token/token.h"

/* pg_advisory_lock() uses 1 and 2 in the last field of such a tag. */
#define LOGIN_ID_LOCK_SPACE	0x6165

/*
 * Longer than either function works, unless it waits for a lock.  Rows are written
 * for users only, which takes time.  Waiting until the same time has passed for
 * everybody costs less than writing rows that nobody needs.
 */
#define EVEN_TIME_USECS		10000

/* user_id is the nil UUID where nobody is to be found, whom no lock can hold. */
typedef struct Subject
{
	OneTimeCodeKey key;
	LoginId		login_id;
	bool		known;
	User		user;
	const char *recipient;
} Subject;

/*
 * Where a user's codes of this type go; NULL: nowhere.  Whoever made the account
 * may have given it somebody else's address besides his own, or the other way
 * round.  So once an address is verified, the others open the account no more
 * until they are, too, which takes a login.
 */
static const char *
recipient(const User *user, LoginIdType type)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
		if (rows[i].type == type && (rows[i].verified || !user->is_verified))
			return one_time_code_recipient(&rows[i]);
	return NULL;
}

static LoginIdType
address_type(const LoginId *login_id)
{
	return login_id->type == LOGIN_ID_PHONE_NUMBER ? LOGIN_ID_PHONE_NUMBER : LOGIN_ID_EMAIL;
}

/* Returns whether anybody could have such a login ID; looks at no row. */
static bool
read_subject(const char *text, const AccountPolicy *policy, Subject *subject)
{
	memset(subject, 0, sizeof(Subject));
	return login_parse_id(text, policy, &subject->login_id);
}

/* A username has no address that a code could be sent to. */
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
		subject->recipient = recipient(&subject->user, subject->key.login_id_type);
	if (subject->recipient != NULL)
		subject->key.user_id = owner;
}

/*
 * Wait for other requests for this login ID, until the end of their transactions.
 * Anybody can look at pg_locks, so the tag is a keyed hash.
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
password_reset_request(const char *login_id, TimestampTz now)
{
	AccountPolicy policy;
	Subject		subject;
	bool		is_possible;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	settings_read_account_policy(&policy);
	rate_limit_code_attempt();
	is_possible = read_subject(login_id, &policy, &subject);

	/* A refusal does not wait, so nothing has been looked up by then. */
	rate_limit_code_request("password_reset", subject.login_id.value);
	find_subject(&subject, is_possible);
	lock_login_id(&subject.login_id);
	if (users_keep(&subject.key.user_id))
		one_time_code_send(&subject.key, subject.recipient, now);
	events_insert("password_reset.requested", subject.known ? &subject.user.id : NULL, NULL,
				 NULL, now);

	/* Anybody may LISTEN, so workers are told of nothing, too. */
	outbox_notify();
	password_wait_since(&begin, EVEN_TIME_USECS);
}

bool
password_reset_complete(const char *login_id, const char *code, const char *password,
						TimestampTz now)
{
	AccountPolicy policy;
	Subject		subject;
	const pg_uuid_t *id = &subject.key.user_id;
	OneTimeCode live;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	settings_read_account_policy(&policy);
	rate_limit_code_attempt();

	/* An error after the code was found right would tell so without using it up. */
	password_check_policy(password, &policy);
	find_subject(&subject, read_subject(login_id, &policy, &subject));
	if (!one_time_code_matches(&subject.key, code, now, &live) || !users_lock(id) ||
		!one_time_code_use_up(&subject.key, &live))
	{
		password_wait_since(&begin, EVEN_TIME_USECS);
		return false;
	}
	passwords_set(id, password_make_hash(password, &policy), now);
	sessions_delete_all(id, NULL);
	authorization_codes_delete_all(id);
	one_time_codes_delete_all(id);
	users_set_verified(id, now);
	login_ids_set_verified(&subject.user, subject.key.login_id_type, now);
	password_attempt_end_lockout(id);
	events_insert("password.reset", id, NULL, NULL, now);
	return true;
}
