/*-------------------------------------------------------------------------
 *
 * code_login.h
 *	  Login with a code that is sent to an e-mail address or phone number.
 *
 * The caller of a request is not authenticated.  Neither the results nor the time nor the
 * locks of these functions tell whether a user has an address, except to a caller who has
 * proven it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CODE_LOGIN_H
#define ANON_AUTH_CODE_LOGIN_H

#include "postgres.h"

#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/guest_proof.h"
#include "domain/login_code.h"
#include "store/clients.h"

/*
 * Count a request of an asker (login_code.h) in the limits of codes, and send a message of
 * this type.  Return when the code expires.  Fills delivery->recipient.  Raises AA018.
 */
extern TimestampTz code_login_send(const LoginId *address, const pg_uuid_t *asker,
								   MessageType type, CodeDelivery *delivery, TimestampTz now);

/*
 * Have a code sent to an address, whether or not a user has it, and return when it
 * expires.  proof is NULL, or proves the guest who alone can use the code; it is not used
 * up.  language is that of the message; NULL: the locale of that guest.  Raises AA002 for
 * the client, AA010 if no code can be sent to the address, AA018 beyond the limits of
 * codes, and the errors of guest_proof_open().
 */
extern TimestampTz code_login_request(const Client *client, const char *login_id,
									  const GuestProof *proof, const char *language,
									  TimestampTz now);

/*
 * The same on a page.  flow is its authorization request (authorization_request_write()), in
 * which the link of the message continues if the same browser opens it; NULL: none.
 */
extern TimestampTz code_login_request_in_flow(const Client *client, const char *login_id,
											  const GuestProof *proof, const char *language,
											  const char *flow, TimestampTz now);

/*
 * Return whether an account has proven an address.  Only for a caller who has proven it, too:
 * the holder of the code of a link.
 */
extern bool code_login_has_account(const LoginId *address);

typedef enum CodeLoginResult
{
	CODE_LOGIN_DONE,
	CODE_LOGIN_WRONG_CODE,		/* or expired, or used up */
	CODE_LOGIN_USER_DISABLED,	/* the code is right */
	CODE_LOGIN_OTHER_USER		/* the code is right; it is not used up */
} CodeLoginResult;

/*
 * Check a code that was requested without a proof, use it up, and fill user and amr
 * (auth_methods.h) for a new session, which the caller starts.  login_id may be NULL with
 * the code of a link.  If the account has no verified login ID, it becomes that of the
 * address's owner (reclaimed_account.h).  only_user is the only user who may log in, or
 * NULL.
 *
 * Every result except CODE_LOGIN_DONE is the event of a failed login.  A wrong code counts
 * as an attempt.  Raises AA002 for the client, AA018 beyond the limits of attempts, and
 * AA030 if no account has proven the address, and the one that claims it, if any, has
 * proven another one.  The code can still be used then.
 */
extern CodeLoginResult code_login_verify(const Client *client, const char *login_id,
										 const char *code, const pg_uuid_t *only_user,
										 TimestampTz now, User *user, StringList *amr);

/*
 * Same for any user, and fill response with the tokens of a new session.  Return false
 * unless the user is logged in.
 */
extern bool code_login_authenticate(const Client *client, const char *login_id,
									const char *code, const DeviceReport *device,
									TimestampTz now, TokenResponse *response);

#endif							/* ANON_AUTH_CODE_LOGIN_H */
