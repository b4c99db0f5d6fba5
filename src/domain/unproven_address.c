/*-------------------------------------------------------------------------
 *
 * unproven_address.c
 *	  Addresses that an account has claimed, and not proven.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/message.h"
#include "domain/message_language.h"
#include "domain/unproven_address.h"
#include "json/json_write.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/outbox.h"
#include "store/users.h"

/* How long a worker may take to send the notice. */
#define NOTICE_LIFETIME		(INT64CONST(7) * USECS_PER_DAY)

/* Tell the account at its verified addresses, if it has any. */
static void
send_notices(const User *user, const char *client_id, TimestampTz now)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		OutboxMessage message = {
			.route = user->id,
			.user_id = user->id,
			.type = MESSAGE_LOGIN_ID_TAKEN,
			.login_id_type = rows[i].type,
			.recipient = (char *) message_recipient(&rows[i]),
			.client_id = (char *) client_id,
			.language = (char *) message_language_of_user(user),
			.expires_at = now + NOTICE_LIFETIME
		};

		if (rows[i].verified && rows[i].type != LOGIN_ID_USERNAME)
			message_send(&message, NULL, NULL, now);
	}
}

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
		send_notices(&user, client_id, now);
}
