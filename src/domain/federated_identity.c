/*-------------------------------------------------------------------------
 *
 * federated_identity.c
 *	  Identities of accounts at other providers: login, adding and removing.
 *
 * Locking: the user's row is locked before its identities.  So the tokens of one
 * account are used one after the other, and a login waits for a removal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/uuid.h"
#include "counters/transaction_counters.h"
#include "domain/auth_methods.h"
#include "domain/challenge.h"
#include "domain/client.h"
#include "domain/credentials.h"
#include "domain/federated_identity.h"
#include "domain/login.h"
#include "domain/message.h"
#include "domain/recent_login.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "lib/stringinfo.h"
#include "login_id/login_id.h"
#include "miscadmin.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/settings.h"
#include "store/user_identities.h"

/* Races for the window of an identity that a login may lose before it gives up. */
#define MAX_RACES			100

/* Return the payload of an event about an identity.  The subject is personal data. */
static Jsonb *
payload_of_issuer(const char *issuer)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "issuer", issuer);
	json_close(&json);
	return json_to_jsonb(json.data);
}

static void
record_login(const Client *client, const pg_uuid_t *user_id, TimestampTz now)
{
	events_insert("user.authenticated", user_id, client->client_id, NULL, now);
	counter_statistic_at_commit(COUNTER_ID_TOKEN_LOGINS, 1);
}

static FederatedIdentityState
note_replay(void)
{
	counter_statistic_add(COUNTER_REUSED_ID_TOKENS, 1);
	return FEDERATED_IDENTITY_REPLAYED;
}

FederatedIdentityState
federated_identity_find(const ProviderIdentity *identity, TimestampTz now, UserIdentity *row)
{
	bytea	   *window;
	bool		known;

	memset(row, 0, sizeof(UserIdentity));
	known = user_identities_find(identity->issuer, identity->subject, row);
	window = known ? row->used_challenges :
		user_identities_removed_challenges(identity->issuer, identity->subject);
	if (window != NULL && challenge_add(window, &identity->challenge, now) == NULL)
		return note_replay();
	return known ? FEDERATED_IDENTITY_KNOWN : FEDERATED_IDENTITY_UNKNOWN;
}

/*
 * Use the token up.  Return false if it was used before, or if the identity no longer
 * belongs to that account.  found is the row as it was before the caller locked the
 * account's row.  The caller holds that row, so a race is lost only to a transaction that
 * has ended.
 */
static bool
use_token(const ProviderIdentity *identity, const UserIdentity *found, TimestampTz now)
{
	UserIdentity row = *found;
	int			attempt;

	for (attempt = 0; attempt < MAX_RACES; attempt++)
	{
		bytea	   *window = challenge_add(row.used_challenges, &identity->challenge, now);

		if (window == NULL)
		{
			(void) note_replay();
			return false;
		}
		if (user_identities_use(&row, window, identity->claims, now))
			return true;
		CHECK_FOR_INTERRUPTS();
		if (!user_identities_find(identity->issuer, identity->subject, &row) ||
			!uuid_equals(&row.user_id, &found->user_id))
			return false;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not use the ID token because of concurrent logins with this identity"),
			 errhint("The transaction might succeed if retried.")));
}

bool
federated_identity_log_in(const Client *client, const ProviderIdentity *identity,
						  const UserIdentity *row, TimestampTz now, User *user)
{
	const pg_uuid_t *owner = &row->user_id;
	const char *failure = NULL;

	if (!users_log_in(owner, now, user))
		failure = "user is disabled";
	else if (!use_token(identity, row, now))
		failure = "ID token was used before, or the identity was removed";
	if (failure != NULL)
	{
		login_record_failure(client, owner, "id_token", failure, now);
		return false;
	}
	record_login(client, owner, now);
	return true;
}

/*
 * The identity may have been removed from another account since federated_identity_find():
 * take its challenges over.  From the insertion on, nobody else can remove it.
 */
static void
take_over_challenges(const UserIdentity *row, const ProviderIdentity *identity, TimestampTz now)
{
	bytea	   *removed = user_identities_removed_challenges(row->issuer, row->subject);
	bytea	   *window;

	if (removed == NULL)
		return;
	window = challenge_add(removed, &identity->challenge, now);
	if (window == NULL)
		raise_invalid_id_token("The token was used before.");
	user_identities_use(row, window, row->claims, now);
}

bool
federated_identity_insert(const ProviderIdentity *identity, const pg_uuid_t *user_id,
						  TimestampTz now)
{
	pg_uuid_t	route = user_identities_route(identity->issuer, identity->subject);
	UserIdentity row = {
		.issuer = identity->issuer,
		.subject = identity->subject,
		.user_id = *user_id,
		.claims = identity->claims,
		.used_challenges = challenge_add(NULL, &identity->challenge, now)
	};

	if (!user_identities_insert(&row, now))
		return false;
	take_over_challenges(&row, identity, now);
	users_add_identity(user_id, &route, now);
	return true;
}

bool
federated_identity_join(const Client *client, const ProviderIdentity *identity,
						const pg_uuid_t *owner, TimestampTz now, User *user)
{
	if (!users_log_in(owner, now, user))
	{
		login_record_failure(client, owner, "id_token", "user is disabled", now);
		return false;
	}
	if (!federated_identity_insert(identity, owner, now))
		raise_identity_exists(FEDERATED_IDENTITY_TYPE);
	events_insert("identity.added", owner, client->client_id, payload_of_issuer(identity->issuer),
				  now);
	message_notify_user(user, MESSAGE_IDENTITY_ADDED, client->client_id, now);
	record_login(client, owner, now);
	return true;
}

bool
federated_identity_proves(const ProviderIdentity *identity, const LoginIdRow *row)
{
	const char *known = message_recipient(row);

	return identity->email_is_proven && row->type == LOGIN_ID_EMAIL && row->verified &&
		(strcmp(identity->email, known) == 0 ||
		 login_id_differs_in_case_only(identity->email, known));
}

bool
federated_identity_email_has_account(const ProviderIdentity *identity)
{
	AccountPolicy policy;
	LoginId		email;
	LoginIdRow *rows;
	pg_uuid_t	owner;
	User		user;
	int			count;
	int			i;

	login_read_policy(&policy);
	if (!identity->email_is_proven || !login_parse_id(identity->email, &policy, &email) ||
		email.type != LOGIN_ID_EMAIL || !login_ids_owner(&email, &owner) ||
		!users_find(&owner, &user))
		return false;
	rows = login_ids_of(&user, &count);
	for (i = 0; i < count; i++)
		if (rows[i].type == LOGIN_ID_EMAIL && rows[i].verified &&
			strcmp(rows[i].value, email.value) == 0)
			return true;
	return false;
}

bool
federated_identity_authenticate(const Client *client, const char *token, const char *nonce,
								const DeviceReport *device, TimestampTz now,
								TokenResponse *response)
{
	ProviderIdentity identity;
	FederatedIdentityState state;
	UserIdentity row;
	User		user;

	client_require_first_party(client);
	provider_id_token_open(token, nonce, now, &identity);
	state = federated_identity_find(&identity, now, &row);
	if (state == FEDERATED_IDENTITY_REPLAYED)
	{
		login_record_failure(client, &row.user_id, "id_token", "ID token was used before", now);
		return false;
	}
	if (state == FEDERATED_IDENTITY_UNKNOWN)
	{
		if (federated_identity_email_has_account(&identity))
			raise_account_exists(false);
		raise_no_account(false);
	}
	if (!federated_identity_log_in(client, &identity, &row, now, &user))
		return false;
	session_start(client, &user, &auth_methods_none, device, now, response);
	return true;
}

bool
federated_identity_add(const User *user, const Session *session, const char *token,
					   const char *nonce, TimestampTz now)
{
	ProviderIdentity identity;
	FederatedIdentityState state;
	UserIdentity row;

	recent_login_require_account(user, session, now);
	provider_id_token_open(token, nonce, now, &identity);
	state = federated_identity_find(&identity, now, &row);
	if (uuid_equals(&row.user_id, &user->id))
		return true;
	if (state == FEDERATED_IDENTITY_REPLAYED)
		return false;
	if (state == FEDERATED_IDENTITY_KNOWN)
		raise_account_exists(true);
	/* It waits for a concurrent call of another account that adds the identity. */
	if (!federated_identity_insert(&identity, &user->id, now))
		raise_account_exists(true);
	events_insert("identity.added", &user->id, session->client_id,
				  payload_of_issuer(identity.issuer), now);
	message_notify_user(user, MESSAGE_IDENTITY_ADDED, session->client_id, now);
	return true;
}

static void
remove_identity(const User *user, const UserIdentity *row, TimestampTz now)
{
	pg_uuid_t	route = user_identities_route(row->issuer, row->subject);

	if (user_identities_remove(row, now))
		users_remove_identity(&user->id, &route, now);
}

UserIdentity *
federated_identity_list(const User *user, int *count)
{
	return user_identities_of(user, count);
}

bool
federated_identity_remove(const User *user, const Session *session, const char *issuer,
						  TimestampTz now)
{
	Credentials credentials;
	UserIdentity *rows;
	bool		found = false;
	int			count;
	int			i;

	recent_login_require_account(user, session, now);
	credentials_of(user, &credentials);
	rows = user_identities_of(user, &count);
	for (i = 0; i < count; i++)
		if (strcmp(rows[i].issuer, issuer) == 0)
		{
			credentials.identities--;
			found = true;
		}
	if (!found)
		return false;
	if (!credentials_open_account(&credentials))
		raise_last_credential();
	for (i = 0; i < count; i++)
		if (strcmp(rows[i].issuer, issuer) == 0)
			remove_identity(user, &rows[i], now);
	session_end_others(user, session, now);
	events_insert("identity.removed", &user->id, session->client_id, payload_of_issuer(issuer),
				  now);
	message_notify_user(user, MESSAGE_IDENTITY_REMOVED, session->client_id, now);
	return true;
}

void
federated_identity_remove_all(const User *user, TimestampTz now)
{
	int			count;
	UserIdentity *rows = user_identities_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
		remove_identity(user, &rows[i], now);
}
