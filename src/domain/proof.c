/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  Who shows that he is a guest, to be promoted or merged: by a request that
 *	  the guest's device has signed, a promotion code, a refresh token, or what
 *	  a page has kept of one of these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/raise.h"
#include "domain/promotion.h"
#include "domain/proof.h"
#include "keyring/master_key.h"

char *
promotion_code_create(const char *refresh_token, TimestampTz now, TimestampTz *expires_at)
{
	Session		session;
	User		user;

	session_by_refresh_token(refresh_token, now, &session, &user);
	return promotion_code_for_session(&session, &user, now, expires_at);
}

char *
promotion_code_for_session(const Session *session, const User *user, TimestampTz now,
						   TimestampTz *expires_at)
{
	PromotionCode code = {0};
	char	   *text = palloc(TOKEN_TEXT_SIZE);

	if (!user->is_anonymous)
		raise_not_anonymous();
	*expires_at = now + INT64CONST(1) * SHORT_LIFETIME_SECONDS * USECS_PER_SEC;
	memcpy(code.user_id, user->id.data, UUID_LEN);
	memcpy(code.session_id, session->id.data, UUID_LEN);
	code.expires_at = *expires_at;
	promotion_code_write(&code, master_key_derived(MASTER_KEY_PROMOTION_CODE, 0), text);
	return text;
}

/* The session that a promotion code or a ticket names must be alive. */
static void
open_session(const Client *client, const pg_uuid_t *user_id, const pg_uuid_t *session_id,
			 TimestampTz now, Proof *proof)
{
	Session		session;

	if (!session_find(user_id, session_id, now, &session, &proof->user))
	{
		if (user_find(user_id, &proof->user) && !proof->user.is_anonymous)
			raise_not_anonymous();
		raise_invalid_promotion_code("The session that it was issued for has ended.");
	}
	if (session.client_id != NULL && strcmp(session.client_id, client->client_id) != 0)
		raise_invalid_promotion_code("The code was issued for another client.");
	proof->by_session = true;
	proof->session_id = *session_id;
	proof->invalid_errcode = ERRCODE_AA_INVALID_PROMOTION_CODE;
	proof->invalid_message = "invalid promotion code";
}

static void
open_promotion_code(const Client *client, const char *text, TimestampTz now, Proof *proof)
{
	PromotionCode code;
	pg_uuid_t	user_id;
	pg_uuid_t	session_id;
	const uint8 *key;
	bool		authentic = false;
	int			i;

	for (i = 0; !authentic && (key = master_key_derived(MASTER_KEY_PROMOTION_CODE, i)) != NULL; i++)
		authentic = promotion_code_read(&code, key, text, strlen(text));
	if (!authentic)
		raise_invalid_promotion_code("The code was not issued here.");
	if (code.expires_at <= now)
		raise_invalid_promotion_code("The code has expired.");
	memcpy(user_id.data, code.user_id, UUID_LEN);
	memcpy(session_id.data, code.session_id, UUID_LEN);
	open_session(client, &user_id, &session_id, now, proof);
}

static void
open_refresh_token(const Client *client, const char *text, TimestampTz now, Proof *proof)
{
	Session		session;

	session_by_refresh_token(text, now, &session, &proof->user);
	session_require_client(&session, client);
	proof->by_session = true;
	proof->session_id = session.id;
	proof->invalid_errcode = ERRCODE_AA_INVALID_REFRESH_TOKEN;
	proof->invalid_message = "invalid refresh token";
}

/* With use_challenge the request cannot be presented again. */
static void
open_jwt(const char *text, bool use_challenge, TimestampTz now, Proof *proof)
{
	RequestJwt	request;
	DeviceKey	key;

	request_jwt_parse(text, strlen(text), REQUEST_PROMOTE, now, &request);
	if (!(use_challenge ? request_jwt_authenticate(&request, now, &key) :
		  request_jwt_check(&request, now, &key)))
		raise_unknown_device_key();
	if (!user_find(&key.user_id, &proof->user))
		elog(ERROR, "device key without a user");
	proof->invalid_errcode = ERRCODE_AA_UNKNOWN_DEVICE_KEY;
	proof->invalid_message = "unknown device key";
}

static void
open_ticket(const Client *client, const GuestTicket *ticket, TimestampTz now, Proof *proof)
{
	if (ticket->by_session)
		open_session(client, &ticket->user_id, &ticket->session_id, now, proof);
	else if (!user_find(&ticket->user_id, &proof->user))
		raise_invalid_promotion_code("The guest is gone.");
	proof->invalid_errcode = ERRCODE_AA_INVALID_PROMOTION_CODE;
	proof->invalid_message = "invalid promotion code";
}

void
proof_open(const Client *client, const PromotionRequest *request, bool use_challenge,
		   TimestampTz now, Proof *proof)
{
	int			proofs = (request->jwt != NULL) + (request->promotion_code != NULL) +
		(request->refresh_token != NULL) + (request->ticket != NULL);

	if (proofs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(proofs == 0 ? "a proof of being the guest is required" :
						"more than one proof of being the guest was given"),
				 errhint("Give exactly one of jwt, promotion_code and refresh_token.")));
	memset(proof, 0, sizeof(Proof));
	if (request->jwt != NULL)
		open_jwt(request->jwt, use_challenge, now, proof);
	else if (request->promotion_code != NULL)
		open_promotion_code(client, request->promotion_code, now, proof);
	else if (request->ticket != NULL)
		open_ticket(client, request->ticket, now, proof);
	else
		open_refresh_token(client, request->refresh_token, now, proof);

	if (proof->user.is_disabled)
		raise_user_disabled();
	if (!proof->user.is_anonymous)
		raise_not_anonymous();
}

void
proof_raise_invalid(const Proof *proof)
{
	ereport(ERROR,
			(errcode(proof->invalid_errcode),
			 errmsg("%s", proof->invalid_message)));
}

void
proof_raise_lost(const Proof *proof)
{
	User		user;

	if (!user_find(&proof->user.id, &user))
		proof_raise_invalid(proof);
	if (!user.is_anonymous)
		raise_not_anonymous();
	if (user.is_disabled)
		raise_user_disabled();
	proof_raise_invalid(proof);
}
