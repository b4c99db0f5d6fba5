/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Statements on anon_auth.outbox.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "store/outbox.h"
#include "store/placement.h"
#include "store/statement.h"

/* The channel that workers LISTEN on. */
#define OUTBOX_CHANNEL	"anon_auth_outbox"

RECORD_TYPE(message, OutboxMessage, OUTBOX_COLUMNS);

static Statement insert_message = {
	.sql = "INSERT INTO anon_auth.outbox ({message}) VALUES ({:message})"
};

/* Several workers can take messages at once, since each skips those that others hold. */
static Statement take_messages = {
	.sql = "WITH oldest AS (SELECT route, id FROM anon_auth.outbox"
	"  ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED),"
	" taken AS (DELETE FROM anon_auth.outbox o USING oldest t"
	"  WHERE o.route = t.route AND o.id = t.id RETURNING {o.message})"
	" SELECT {message} FROM taken ORDER BY id",
	.row = &message_record,
	.custom_plans = true
};

static const char *const message_types[] = {
	[MESSAGE_LOGIN_CODE] = "login_code",
	[MESSAGE_PROMOTION] = "promotion",
	[MESSAGE_VERIFICATION] = "login_id_verification",
	[MESSAGE_PASSWORD_RESET] = "password_reset",
	[MESSAGE_LOGIN_ID_TAKEN] = "login_id_taken",
	[MESSAGE_PASSWORD_CHANGED] = "password_changed",
	[MESSAGE_LOGIN_ID_ADDED] = "login_id_added",
	[MESSAGE_LOGIN_ID_REMOVED] = "login_id_removed",
	[MESSAGE_IDENTITY_ADDED] = "identity_added",
	[MESSAGE_IDENTITY_REMOVED] = "identity_removed",
	[MESSAGE_DEVICE_KEY_ADDED] = "device_key_added",
	[MESSAGE_DEVICE_KEY_REMOVED] = "device_key_removed",
	[MESSAGE_PASSKEY_ADDED] = "passkey_added",
	[MESSAGE_PASSKEY_REMOVED] = "passkey_removed",
	[MESSAGE_ACCOUNT_DELETION_SCHEDULED] = "account_deletion_scheduled"
};

const EnumNames message_type_names = {lengthof(message_types), message_types};

void
outbox_put(const OutboxMessage *message)
{
	statement_run(&insert_message, PARAMS(param_record(&message_record, message)));
	outbox_notify();
}

void
outbox_notify(void)
{
	Async_Notify(OUTBOX_CHANNEL, "");
}

OutboxMessage *
outbox_take(int limit, int *count)
{
	return placement_current()->take_outbox_messages(limit, count);
}

OutboxMessage *
outbox_take_locally(int limit, int *count)
{
	return statement_fetch_all(&take_messages, PARAMS(param_int4("limit", limit)), count);
}
