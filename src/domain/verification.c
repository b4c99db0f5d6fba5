/*-------------------------------------------------------------------------
 *
 * verification.c
 *	  Verification of a user's e-mail address or phone number.
 *
 * The caller is signed in, so a code needs only six digits; guesses are limited for
 * each code and for each address.  Locking: the user's row is locked before its
 * codes, so requests and guesses of one user wait for each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "domain/account_login_ids.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/one_time_code.h"
#include "domain/rate_limit.h"
#include "domain/verification.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "login_id/login_id.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/settings.h"
#include "store/users.h"

static void
fill_key(OneTimeCodeKey *key, const User *user, LoginIdType type)
{
	key->user_id = user->id;
	key->purpose = CODE_VERIFICATION;
	key->login_id_type = type;
}

/* Return the payload of an event about a login ID. */
static Jsonb *
payload_of_type(LoginIdType type)
{
	return json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}", login_id_type_name(type)));
}

/*
 * Return the user's login ID of this type that is to be verified, or NULL: the oldest one
 * that is not verified, otherwise the oldest.
 */
static const LoginIdRow *
find_login_id(const User *user, LoginIdType type)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	const LoginIdRow *found = NULL;
	int			i;

	for (i = 0; i < count; i++)
		if (rows[i].type == type && (found == NULL || (found->verified && !rows[i].verified)))
			found = &rows[i];
	return found;
}

/*
 * Return the name by which requests and guesses are counted.  It is that of the
 * address and not of the user: an attacker could claim an address for many users, and
 * take each of them back by a rollback.
 */
static char *
subject_of_limit(const LoginIdRow *login_id)
{
	return psprintf("%s/%s", login_id_type_name(login_id->type), login_id->value);
}

bool
verification_request(const User *user, LoginIdType type, const CodeDelivery *request,
					 TimestampTz now, TimestampTz *expires_at)
{
	CodeDelivery delivery = *request;
	const LoginIdRow *login_id = find_login_id(user, type);
	AccountPolicy policy;
	OneTimeCodeKey key;

	if (login_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the user has no login ID of type \"%s\"", login_id_type_name(type))));
	if (login_id->verified)
		return false;
	settings_read_account_policy(&policy);
	message_require_allowed_country(&(LoginId) {.type = type,.value = login_id->value}, &policy);
	rate_limit_code_request("verification", type, subject_of_limit(login_id));
	if (!users_lock(&user->id))
		raise_invalid_session("The user does not exist.");
	fill_key(&key, user, type);
	delivery.recipient = message_recipient(login_id);
	if (delivery.language == NULL)
		delivery.language = message_language_of_user(user);
	*expires_at = one_time_code_send(&key, &delivery, now);
	events_insert("verification.requested", &user->id, NULL, payload_of_type(type), now);
	return true;
}

bool
verification_complete(const User *user, LoginIdType type, const char *code, TimestampTz now)
{
	const LoginIdRow *login_id = find_login_id(user, type);
	OneTimeCodeKey key;

	if (login_id == NULL)
		return false;
	rate_limit_code_attempt_for_recipient(subject_of_limit(login_id));
	if (!users_lock(&user->id))
		return false;

	/* Read the clock again: the code may have expired while this call waited for the lock. */
	now = GetCurrentTimestamp();
	fill_key(&key, user, type);
	if (!one_time_code_check(&key, message_recipient(login_id), code, now))
		return false;
	account_login_ids_verify(user, login_id, login_id->original_value, now);
	events_insert("login_id.verified", &user->id, NULL, payload_of_type(type), now);
	return true;
}

bool
verification_complete_link(const pg_uuid_t *user_id, const char *code, TimestampTz now)
{
	static const LoginIdType types[] = {LOGIN_ID_EMAIL, LOGIN_ID_PHONE_NUMBER};
	User		user;
	int			i;

	if (!users_find(user_id, &user))
		return false;
	for (i = 0; i < lengthof(types); i++)
	{
		const LoginIdRow *login_id = find_login_id(&user, types[i]);

		if (login_id != NULL && !login_id->verified &&
			verification_complete(&user, types[i], code, now))
			return true;
	}
	return false;
}
