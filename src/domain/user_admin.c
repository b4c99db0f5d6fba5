/*-------------------------------------------------------------------------
 *
 * user_admin.c
 *	  Administration of users (docs/authgear.md, section 10).
 *
 * Each function looks the user up first, for the error 42704, and again if the row
 * that it locks or changes has been deleted in the meantime.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "domain/account_deletion.h"
#include "domain/message.h"
#include "domain/password.h"
#include "domain/password_attempt.h"
#include "domain/password_change.h"
#include "domain/user_admin.h"
#include "domain/user_roles.h"
#include "json/json_write.h"
#include "lib/stringinfo.h"
#include "store/authorization_codes.h"
#include "store/events.h"
#include "store/foreign_keys.h"
#include "store/placement.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/users.h"

pg_noreturn static void
raise_unknown_user(const pg_uuid_t *id)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_to_text(id, text);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("user \"%s\" does not exist", text)));
}

void
user_admin_get(const pg_uuid_t *id, User *user)
{
	if (!users_find(id, user))
		raise_unknown_user(id);
}

void
user_admin_lock(const pg_uuid_t *id, User *user)
{
	user_admin_get(id, user);
	if (!users_lock(id))
		raise_unknown_user(id);
	user_admin_get(id, user);
}

/*
 * Return whether the state of the user was another one.  Raises 42704 if the
 * statement waited for a transaction that deleted the user.
 */
static bool
set_disabled(const pg_uuid_t *id, bool disabled, TimestampTz now)
{
	User		user;

	if (users_set_disabled(id, disabled, now))
		return true;
	user_admin_get(id, &user);
	return false;
}

/*
 * A login holds the user's row until it commits.  So no session can be added between
 * the statement that disables the user and the one that deletes the sessions.
 */
void
user_admin_disable(const pg_uuid_t *id, TimestampTz now)
{
	User		user;

	user_admin_get(id, &user);
	if (!set_disabled(id, true, now))
		return;
	sessions_delete_all(id, NULL);
	sessions_ended(id, now);
	authorization_codes_delete_all(id);
	events_insert("user.disabled", id, NULL, NULL, now);
}

void
user_admin_enable(const pg_uuid_t *id, TimestampTz now)
{
	User		user;

	user_admin_get(id, &user);
	password_attempt_end_lockout(id);
	if (set_disabled(id, false, now))
		events_insert("user.enabled", id, NULL, NULL, now);
}

/* The password is hashed before the user's row is locked, because hashing takes long. */
void
user_admin_set_password(const pg_uuid_t *id, const char *password, TimestampTz now)
{
	AccountPolicy policy;
	const char *hash;
	User		user;

	user_admin_get(id, &user);
	if (user.is_anonymous)
		raise_account_required();
	settings_read_account_policy(&policy);
	password_check_policy(password, &policy);
	hash = password_make_hash(password, &policy);
	user_admin_lock(id, &user);
	password_change_apply(&user, hash, NULL, now);
	events_insert("password.set", id, NULL, NULL, now);
	message_notify_user(&user, MESSAGE_PASSWORD_CHANGED, NULL, now);
}

static bool
same_roles(const StringList *a, const StringList *b)
{
	int			i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

void
user_admin_set_roles(const pg_uuid_t *id, StringList *roles, TimestampTz now)
{
	StringInfoData json;
	User		user;

	user_roles_normalise(roles);
	user_admin_lock(id, &user);
	if (same_roles(&user.roles, roles))
		return;
	users_set_roles(id, roles, now);
	initStringInfo(&json);
	json_open(&json);
	json_add_strings(&json, "roles", roles);
	json_add_strings(&json, "former_roles", &user.roles);
	json_close(&json);
	events_insert("user.roles_set", id, NULL, json_to_jsonb(json.data), now);
}

void
user_admin_delete(const pg_uuid_t *id, TimestampTz now)
{
	User		user;

	foreign_keys_hold();
	user_admin_get(id, &user);
	if (!account_deletion_lock(id, user.device_kid, &user, now))
		raise_unknown_user(id);
	account_deletion_run(&user, NULL, NULL, now);
}

uint64
user_admin_revoke_sessions(const pg_uuid_t *id, TimestampTz now)
{
	User		user;
	uint64		count;

	user_admin_get(id, &user);
	if (!users_begin_revocation(id))
		raise_unknown_user(id);
	count = sessions_delete_all(id, NULL);
	sessions_ended(id, now);
	authorization_codes_delete_all(id);
	if (count > 0)
		events_insert("user.signed_out", id, NULL,
					  json_to_jsonb(psprintf("{\"sessions\": " UINT64_FORMAT "}", count)), now);
	return count;
}

bool
user_admin_rows_are_local(void)
{
	return placement_is_local();
}
