/*-------------------------------------------------------------------------
 *
 * message.c
 *	  Messages to e-mail addresses and phone numbers, which a worker takes from the
 *	  outbox and sends.
 *
 * The outbox has the code of a message sealed with the master key, until a worker takes
 * the message.  If the link has another code than people type, a space separates the two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/uuid.h"
#include "counters/counters.h"
#include "domain/code_link.h"
#include "domain/message.h"
#include "domain/message_language.h"
#include "json/raise_json.h"
#include "keyring/sealing.h"
#include "login_id/login_id.h"
#include "miscadmin.h"
#include "store/events.h"
#include "store/settings.h"

/* How long a worker may take to send a notice. */
#define NOTICE_LIFETIME		(INT64CONST(7) * USECS_PER_DAY)

/* The counter of message_unrestricted_sms(), which lives for a day from the first one. */
#define UNRESTRICTED_SMS	"unrestricted_sms"

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
	memcpy(*identity, message->route.data, UUID_LEN);
	memcpy(*identity + UUID_LEN, message->id.data, UUID_LEN);
	memcpy(*identity + 2 * UUID_LEN, message->recipient, recipient_length);
	return 2 * UUID_LEN + recipient_length;
}

void
message_send(OutboxMessage *message, const char *code, const char *link_code, TimestampTz now)
{
	uint8	   *identity;
	size_t		length;

	message->id = uuid_new_v7(now);
	message->created_at = now;
	if (code != NULL)
	{
		char	   *codes = link_code == NULL ? pstrdup(code) : psprintf("%s %s", code, link_code);

		length = identity_of_message(message, &identity);
		message->sealed_code = sealing_seal(MASTER_KEY_OUTBOX, codes, strlen(codes),
											identity, length);
	}
	outbox_put(message);
}

/*
 * Return whether another notice may be sent: otherwise somebody could flood the addresses by
 * changing something to and fro.  The events of the changes count and not the notices, since a
 * worker takes those, and no counter, since changes that are rolled back must not use up
 * the notices of those that are not.
 */
static bool
may_notify(const User *user, MessageType type, TimestampTz now)
{
	static char *const events_of[][3] = {
		[MESSAGE_LOGIN_ID_TAKEN] = {"login_id.taken"},
		[MESSAGE_PASSWORD_CHANGED] = {"password.changed", "password.reset", "password.set"},
		[MESSAGE_LOGIN_ID_ADDED] = {"login_id.added"},
		[MESSAGE_LOGIN_ID_REMOVED] = {"login_id.removed"},
		[MESSAGE_IDENTITY_ADDED] = {"identity.added"},
		[MESSAGE_IDENTITY_REMOVED] = {"identity.removed"},
		[MESSAGE_DEVICE_KEY_ADDED] = {"device_key.added"},
		[MESSAGE_DEVICE_KEY_REMOVED] = {"device_key.removed"},
		[MESSAGE_PASSKEY_ADDED] = {"passkey.added"},
		[MESSAGE_PASSKEY_REMOVED] = {"passkey.removed"},
		[MESSAGE_ACCOUNT_DELETION_SCHEDULED] = {"user.deletion_scheduled"}
	};
	StringList	types = {0, (char **) events_of[type]};

	while (types.count < lengthof(events_of[0]) && types.items[types.count] != NULL)
		types.count++;
	return events_count(&user->id, &types, now - USECS_PER_HOUR, NOTICES_PER_HOUR + 1) <= NOTICES_PER_HOUR;
}

static void
notify_address(const User *user, const LoginIdRow *address, MessageType type,
			   const char *client_id, TimestampTz now)
{
	OutboxMessage message = {
		.route = user->id,
		.user_id = user->id,
		.type = type,
		.login_id_type = address->type,
		.recipient = (char *) message_recipient(address),
		.client_id = (char *) client_id,
		.language = message_language_of_user(user),
		.expires_at = now + NOTICE_LIFETIME
	};

	message_send(&message, NULL, NULL, now);
}

void
message_notify_address(const User *user, const LoginIdRow *address, MessageType type,
					   const char *client_id, TimestampTz now)
{
	if (may_notify(user, type, now))
		notify_address(user, address, type, client_id, now);
}

void
message_notify_user(const User *user, MessageType type, const char *client_id, TimestampTz now)
{
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	const LoginIdRow *addresses[LOGIN_ID_TYPES] = {NULL};
	bool		has_address = false;
	int			i;

	for (i = 0; i < count; i++)
		if (rows[i].verified && rows[i].type != LOGIN_ID_USERNAME && addresses[rows[i].type] == NULL)
		{
			addresses[rows[i].type] = &rows[i];
			has_address = true;
		}
	if (!has_address || !may_notify(user, type, now))
		return;
	for (i = 0; i < LOGIN_ID_TYPES; i++)
		if (addresses[i] != NULL)
			notify_address(user, addresses[i], type, client_id, now);
}

/*
 * Return the codes of a message, NULL for a notice.  *is_open is false if they cannot be
 * opened.
 */
static char *
open_codes(const OutboxMessage *row, bool *is_open)
{
	uint8	   *identity;
	size_t		identity_length;
	size_t		length;
	char	   *codes;

	*is_open = true;
	if (row->sealed_code == NULL)
		return NULL;
	identity_length = identity_of_message(row, &identity);
	codes = palloc0(VARSIZE_ANY_EXHDR(row->sealed_code) + 1);
	*is_open = sealing_open(MASTER_KEY_OUTBOX, row->sealed_code, identity, identity_length, codes,
							VARSIZE_ANY_EXHDR(row->sealed_code), &length);
	return codes;
}

/* Fill in code and link.  Return false if the code cannot be opened. */
static bool
complete_message(Message *message, const char *uri_template)
{
	bool		is_open;
	char	   *codes = open_codes(&message->row, &is_open);
	char	   *space;

	message->code = codes;
	message->link = NULL;
	if (codes == NULL || !is_open)
		return is_open;
	space = strchr(codes, ' ');
	if (space != NULL)
		*space = '\0';
	/* The template may be newer than a login code without a long code. */
	if (uri_template != NULL && (space != NULL || !uuid_is_nil(&message->row.user_id)))
		message->link = code_link_make(uri_template, &message->row,
									   space != NULL ? space + 1 : codes);
	return true;
}

/* Fill in code and link.  Return false with a WARNING if the message cannot be sent. */
static bool
is_sendable(Message *message, const char *uri_template)
{
	if (complete_message(message, uri_template))
		return true;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("dropped a message of the outbox because its code cannot be opened"),
			 errdetail("The code was sealed with a master key that has been retired, with another database_id, or for another row."),
			 errhint("The user must request another code.")));
	return false;
}

/* Messages that are dropped do not count: a worker stops when it gets none. */
Message *
message_take(int limit, TimestampTz now, int *count)
{
	Message    *messages = NULL;
	CodePolicy	policy;
	int			wanted;
	int			taken;

	settings_read_code_policy(&policy);
	*count = 0;
	do
	{
		OutboxMessage *rows;
		int			i;

		CHECK_FOR_INTERRUPTS();
		wanted = limit - *count;
		rows = outbox_take(wanted, &taken);
		messages = messages == NULL ? palloc(sizeof(Message) * Max(taken, 1)) :
			repalloc(messages, sizeof(Message) * Max(*count + taken, 1));
		for (i = 0; i < taken; i++)
		{
			messages[*count].row = rows[i];
			if (rows[i].expires_at > now && is_sendable(&messages[*count], policy.code_link_uri))
				(*count)++;
		}
	} while (taken == wanted && *count < limit);
	return messages;
}

int64
message_unrestricted_sms(void)
{
	int64		count = 0;

	(void) counter_get(UNRESTRICTED_SMS, USECS_PER_DAY, &count);
	return count;
}

void
message_require_allowed_country(const LoginId *address, const AccountPolicy *policy)
{
	LoginIdPolicy rules = {0};
	LoginIdReason reason;
	LoginId		unused;

	if (address->type != LOGIN_ID_PHONE_NUMBER)
		return;
	rules.phone_country_code_allowlist = policy->login_id.phone_country_code_allowlist;
	if (rules.phone_country_code_allowlist.count == 0)
		(void) counter_increment(UNRESTRICTED_SMS, USECS_PER_DAY, false);
	reason = login_id_normalise(address->type, address->value, &rules, &unused);
	if (reason != LOGIN_ID_ACCEPTED)
		raise_invalid_login_id(login_id_type_name(address->type), login_id_reason_code(reason),
							   login_id_reason_clause(reason, address->type));
}

const char *
message_recipient(const LoginIdRow *row)
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
