/*-------------------------------------------------------------------------
 *
 * unproven_address.c
 *	  Addresses that an account has claimed, and not proven.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/message.h"
#include "domain/unproven_address.h"
#include "json/json_write.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/users.h"

void
unproven_address_take(const LoginId *login_id, const char *client_id, TimestampTz now)
{
	pg_uuid_t	route = login_ids_route(login_id);
	LoginIdRow	row;
	User		user;

	if (!login_ids_find(login_id, &row) || row.verified || !users_lock(&row.user_id) ||
		!login_ids_delete_unverified(login_id, &row.user_id))
		return;
	users_remove_login_id(&row.user_id, &route, login_id_claim(login_id->type), login_id->value,
						  now);
	events_insert("login_id.taken", &row.user_id, client_id,
				  json_to_jsonb(psprintf("{\"login_id_type\": \"%s\"}",
										 login_id_type_name(login_id->type))),
				  now);
	if (users_find(&row.user_id, &user))
		message_notify_user(&user, MESSAGE_LOGIN_ID_TAKEN, client_id, now);
}
