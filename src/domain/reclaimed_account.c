/*-------------------------------------------------------------------------
 *
 * reclaimed_account.c
 *	  An account that somebody opened with another person's address, and that the owner
 *	  of the address takes over by proving it.
 *
 * As long as no address of an account is verified, nobody knows whether the person who
 * opened it is the owner of the address.  So everything that this person may know or have
 * is removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_device_key.h"
#include "domain/account_login_ids.h"
#include "domain/federated_identity.h"
#include "domain/passkey.h"
#include "domain/password_attempt.h"
#include "domain/reclaimed_account.h"
#include "json/json_write.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/passwords.h"
#include "store/sessions.h"

/* Remove the user's addresses except one. */
static void
remove_other_addresses(const User *user, const LoginId *kept, TimestampTz now)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		if (rows[i].type == LOGIN_ID_USERNAME ||
			(rows[i].type == kept->type && strcmp(rows[i].value, kept->value) == 0))
			continue;
		account_login_ids_remove(user, &rows[i], now);
	}
}

void
reclaimed_account_reset(const char *client_id, const LoginId *address, const char *recipient,
						TimestampTz now, User *user)
{
	const pg_uuid_t id = user->id;

	one_time_codes_delete_all(&id);
	sessions_delete_all(&id, NULL);
	authorization_codes_delete_all(&id);
	remove_other_addresses(user, address, now);
	federated_identity_remove_all(user, now);
	account_device_key_remove_all(user, &id, now);
	passkey_remove_all(user, now);
	login_ids_set_proven(address, recipient, now);
	passwords_delete(&id);
	users_set_has_password(&id, false, now);
	users_set_verified(&id, true, now);
	password_attempt_end_lockout(&id);
	events_insert("user.reclaimed", &id, client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}",
										 login_id_type_name(address->type))),
				  now);
	if (!users_find(&id, user))
		elog(ERROR, "the user of a verified address is gone");
}
