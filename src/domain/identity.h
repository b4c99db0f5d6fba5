/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  The identity of the caller, for row-level security.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_IDENTITY_H
#define ANON_AUTH_IDENTITY_H

#include "postgres.h"

#include "base/span.h"
#include "domain/dpop.h"
#include "domain/own_jwt.h"
#include "store/sessions.h"
#include "store/users.h"

typedef struct Identity
{
	Jsonb	   *claims;
	pg_uuid_t	sub;
	bool		has_sid;
	pg_uuid_t	sid;
	bool		has_is_anonymous;
	bool		is_anonymous;
	bool		is_key_bound;	/* the token is bound to a key, which was shown */
} Identity;

/*
 * Return the identity of the caller, or NULL if there is none: the claims that
 * use_access_token() verified, otherwise those of request.jwt.claims if
 * settings.trust_request_claims is on and they are those of an access token
 * (own_jwt_access_claims_problem()) and not bound to a key, since nothing shows that its
 * proof was checked.  Valid until the identity changes, which
 * can happen within one query: copy what is returned to SQL.  Raises 22023 if
 * the claims cannot be read.
 */
extern const Identity *identity_current(void);

/* Return whether the claim "roles" of an identity has this role. */
extern bool identity_has_role(const Identity *identity, const char *role);

/*
 * Use the DPoP proof of a request with an access token that is bound to a key; check is that
 * of the token (dpop_check()).  The functions below accept the token in the rest of the
 * transaction.  Return false for a proof of another key.  Raises AA026 and AA027 if the proof
 * is missing or bad, AA018.
 */
extern bool identity_use_key(const Span *token, const AccessToken *access, DpopCheck *check);

/* Return whether identity_use_key() was called for this token in this transaction. */
extern bool identity_has_used_key(const Span *token);

/*
 * Fill user with the user of an access token or, if token is NULL, of the
 * current identity, and session with its session.  session may be NULL.  Raises AA014
 * unless the token is valid and its session is alive.  A token that is bound to a key counts
 * only if identity_use_key() has accepted it in this transaction.
 */
extern void identity_get_user(const Span *token, TimestampTz now, User *user, Session *session);

/*
 * Same, and hold the user's row: for a caller that changes how the account can be opened.
 * The session is alive after the lock was waited for, so whoever ended it while the call
 * waited, such as the owner of a reclaimed account, has ended the call, too.
 */
extern void identity_lock_user(const Span *token, TimestampTz now, User *user, Session *session);

/*
 * True if claims were issued to a guest that has become a regular user since.  The
 * promotion ended all sessions of the guest: somebody else may have sent its link.
 */
extern bool identity_is_former_guest(const Jsonb *claims, const pg_uuid_t *user_id);

/*
 * Make verified claims, as JSON, the current identity: until the end of the
 * transaction if is_local, otherwise for the session.
 */
extern void identity_set(const char *claims, bool is_local);

#endif							/* ANON_AUTH_IDENTITY_H */
