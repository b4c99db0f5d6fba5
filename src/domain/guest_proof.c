/*-------------------------------------------------------------------------
 *
 * guest_proof.c
 *	  Proofs that the caller is a guest, for promotion and merging.
 *
 * Four proofs are accepted: a request that the guest's device has signed, a
 * promotion code, a refresh token, and a ticket that a page keeps of one of
 * these.  Opening a proof takes no lock, so the guest may change before the
 * caller locks it.  guest_proof_raise_invalid() and guest_proof_raise_lost() raise
 * the errors for such a change.
 *
 * A promotion code has no table.  It names a user, a session and its own expiry
 * under a MAC.  It can be used once because a user can be promoted once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "base/uuid.h"
#include "domain/client.h"
#include "domain/guest_proof.h"
#include "domain/lifetimes.h"
#include "domain/refresh_token.h"
#include "domain/request_jwt.h"
#include "domain/session.h"
#include "domain/session_refresh.h"
#include "keyring/master_key.h"
#include "store/device_keys.h"
#include "store/clients.h"
#include "store/merged_guests.h"
#include "store/sessions.h"
#include "store/users.h"
#include "token/token.h"

/* ---- promotion codes ---- */

char *
guest_proof_create_code(const char *refresh_token, DpopCheck *dpop, TimestampTz now,
						TimestampTz *expires_at)
{
	Session		session;
	User		user;

	session_get_by_refresh_token(refresh_token, dpop, now, &session, &user);
	return guest_proof_create_code_for_session(&session, &user, now, expires_at);
}

char *
guest_proof_create_code_for_session(const Session *session, const User *user, TimestampTz now,
									TimestampTz *expires_at)
{
	PromotionCode code = {0};
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	if (!user->is_anonymous)
		raise_not_anonymous();
	*expires_at = now + SHORT_LIFETIME;
	memcpy(code.user_id, user->id.data, UUID_LEN);
	memcpy(code.session_id, session->id.data, UUID_LEN);
	code.expires_at = *expires_at;
	token_write_promotion_code(&code, master_key_derived(MASTER_KEY_PROMOTION_CODE, 0), text);
	return text;
}

/* Fill code if one of our master keys, the current one or an older one, made it. */
static bool
is_authentic_code(const char *text, PromotionCode *code)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_PROMOTION_CODE, i)) != NULL; i++)
		if (token_read_promotion_code(code, key, text, strlen(text)))
			return true;
	return false;
}

/* ---- opening proofs ---- */

static void
set_invalid_promotion_code(ProvenGuest *guest)
{
	guest->invalid_errcode = ERRCODE_AA_INVALID_PROMOTION_CODE;
	guest->invalid_message = INVALID_PROMOTION_CODE_MESSAGE;
}

/* Open a promotion code or a ticket that names a session, which must be alive. */
static void
open_session_of_code(const Client *client, const pg_uuid_t *user_id, const pg_uuid_t *session_id,
					 TimestampTz now, ProvenGuest *guest)
{
	Session		session;

	if (!sessions_find(user_id, session_id, now, &session, &guest->user))
	{
		if (users_find(user_id, &guest->user) && !guest->user.is_anonymous)
			raise_not_anonymous();
		raise_invalid_promotion_code("The session that it was issued for has ended.");
	}
	if (session.client_id != NULL && strcmp(session.client_id, client->client_id) != 0)
		raise_invalid_promotion_code("The code was issued for another client.");
	guest->by_session = true;
	guest->session_id = *session_id;
	guest->by_cookie_session = session.session_type == SESSION_COOKIE;
	set_invalid_promotion_code(guest);
}

static void
open_promotion_code(const Client *client, const char *text, TimestampTz now, ProvenGuest *guest)
{
	PromotionCode code;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;

	if (!is_authentic_code(text, &code))
		raise_invalid_promotion_code("The code was not issued here.");
	if (code.expires_at <= now)
		raise_invalid_promotion_code("The code has expired.");
	memcpy(user_id.data, code.user_id, UUID_LEN);
	memcpy(session_id.data, code.session_id, UUID_LEN);
	open_session_of_code(client, &user_id, &session_id, now, guest);
}

static void
open_refresh_token(const Client *client, const char *text, DpopCheck *dpop, TimestampTz now,
				   ProvenGuest *guest)
{
	Session		session;

	session_get_by_refresh_token(text, dpop, now, &session, &guest->user);
	session_require_client(&session, client);
	guest->by_session = true;
	guest->session_id = session.id;
	guest->invalid_errcode = ERRCODE_AA_INVALID_REFRESH_TOKEN;
	guest->invalid_message = INVALID_REFRESH_TOKEN_MESSAGE;
}

/* Return false if account is not NULL and the key's guest is part of that account. */
static bool
open_request_jwt(const char *text, bool use_challenge, const pg_uuid_t *account, TimestampTz now,
				 ProvenGuest *guest)
{
	RequestJwt	request;
	DeviceKey	key;

	request_jwt_parse(text, strlen(text), REQUEST_PROMOTE, now, &request);
	if (!(use_challenge ? request_jwt_authenticate(&request, now, &key) :
		  request_jwt_check(&request, now, &key)))
	{
		if (account != NULL && request_jwt_is_of_account(&request, account))
			return false;
		request_jwt_raise_unregistered(&request, false);
	}
	if (!users_find(&key.user_id, &guest->user))
		elog(ERROR, "device key without a user");
	guest->invalid_errcode = ERRCODE_AA_UNKNOWN_DEVICE_KEY;
	guest->invalid_message = UNKNOWN_DEVICE_KEY_MESSAGE;
	return true;
}

static void
open_ticket(const Client *client, const GuestTicket *ticket, TimestampTz now, ProvenGuest *guest)
{
	if (ticket->by_session)
		open_session_of_code(client, &ticket->user_id, &ticket->session_id, now, guest);
	else if (!users_find(&ticket->user_id, &guest->user))
		raise_invalid_promotion_code("The guest does not exist.");
	set_invalid_promotion_code(guest);
}

static void
require_one_proof(const GuestProof *proof)
{
	int			proofs = (proof->jwt != NULL) + (proof->promotion_code != NULL) +
		(proof->refresh_token != NULL) + (proof->ticket != NULL);

	if (proofs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(proofs == 0 ? "a proof of being the guest is required" :
						"more than one proof of being the guest was given"),
				 errhint("Give exactly one of jwt, promotion_code and refresh_token.")));
}

/* Return false only if account is not NULL and the guest was merged into it. */
static bool
open_proof(const Client *client, const GuestProof *proof, bool use_challenge,
		   const pg_uuid_t *account, TimestampTz now, ProvenGuest *guest)
{
	memset(guest, 0, sizeof(ProvenGuest));
	if (proof->jwt != NULL)
	{
		if (!open_request_jwt(proof->jwt, use_challenge, account, now, guest))
			return false;
	}
	else if (proof->promotion_code != NULL)
		open_promotion_code(client, proof->promotion_code, now, guest);
	else if (proof->ticket != NULL)
		open_ticket(client, proof->ticket, now, guest);
	else
		open_refresh_token(client, proof->refresh_token, proof->dpop, now, guest);

	if (guest->user.is_disabled)
		raise_user_disabled();
	if (!guest->user.is_anonymous)
		raise_not_anonymous();
	return true;
}

void
guest_proof_open(const Client *client, const GuestProof *proof, bool use_challenge,
				 TimestampTz now, ProvenGuest *guest)
{
	require_one_proof(proof);
	open_proof(client, proof, use_challenge, NULL, now, guest);
}

/* Return whether the proof is a text that was made for a guest of merged_guests. */
static bool
names_merged_guest(const GuestProof *proof, const pg_uuid_t *account)
{
	PromotionCode code;
	pg_uuid_t	guest_id;

	if (proof->refresh_token != NULL)
	{
		if (!refresh_token_user(proof->refresh_token, &guest_id))
			return false;
	}
	else if (proof->promotion_code != NULL && is_authentic_code(proof->promotion_code, &code))
		memcpy(guest_id.data, code.user_id, UUID_LEN);
	else
		return false;
	return merged_guests_find(&guest_id, account);
}

bool
guest_proof_open_for_claim(const Client *client, const GuestProof *proof,
						   const pg_uuid_t *account, TimestampTz now, ProvenGuest *guest)
{
	require_one_proof(proof);
	return !names_merged_guest(proof, account) &&
		open_proof(client, proof, true, account, now, guest);
}

void
guest_proof_open_ticket(const Client *client, const GuestProof *proof,
						const pg_uuid_t *cookie_session, TimestampTz now, GuestTicket *ticket)
{
	ProvenGuest guest;
	bool		own;

	client_require_guests(client, proof->jwt != NULL);
	guest_proof_open(client, proof, false, now, &guest);
	own = guest.by_session && cookie_session != NULL &&
		uuid_equals(&guest.session_id, cookie_session);
	if (guest.by_cookie_session && !own)
		raise_invalid_promotion_code("The code was issued to another browser.");
	memset(ticket, 0, sizeof(GuestTicket));
	ticket->user_id = guest.user.id;
	ticket->by_session = guest.by_session;
	ticket->by_own_cookie = own;
	if (guest.by_session)
		ticket->session_id = guest.session_id;
}

/* ---- proofs that have become invalid ---- */

void
guest_proof_raise_invalid(const ProvenGuest *guest)
{
	ereport(ERROR,
			(error_refusal(guest->invalid_errcode),
			 errmsg("%s", guest->invalid_message)));
}

void
guest_proof_raise_lost(const ProvenGuest *guest)
{
	User		user;

	if (!users_find(&guest->user.id, &user))
		guest_proof_raise_invalid(guest);
	if (!user.is_anonymous)
		raise_not_anonymous();
	if (user.is_disabled)
		raise_user_disabled();
	guest_proof_raise_invalid(guest);
}
