/*-------------------------------------------------------------------------
 *
 * unproven_address.c
 *	  Addresses that an account has claimed, and not proven.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_login_ids.h"
#include "domain/message.h"
#include "domain/unproven_address.h"
#include "json/json_write.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/users.h"

void
unproven_address_take(const LoginId *login_id, const char *client_id, TimestampTz now)
{
	LoginIdRow	row;
	User		user;

	if (!login_ids_find(login_id, &row) || row.verified || !users_lock(&row.user_id) ||
		!login_ids_delete_unverified(login_id, &row.user_id) || !users_find(&row.user_id, &user))
		return;
	account_login_ids_forget(&user, &row, now);
	events_insert("login_id.taken", &row.user_id, client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}",
										 login_id_type_name(login_id->type))),
				  now);
	if (users_find(&row.user_id, &user))
		message_notify_user(&user, MESSAGE_LOGIN_ID_TAKEN, client_id, now);
}
