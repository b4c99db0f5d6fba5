/*-------------------------------------------------------------------------
 *
 * claims_functions.c
 *	  The SQL functions that tell who is calling, and the discovery documents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "base/raise.h"
#include "base/span.h"
#include "domain/claims.h"
#include "domain/discovery.h"
#include "domain/identity.h"
#include "domain/own_jwt.h"
#include "domain/session.h"
#include "json/json_write.h"
#include "keyring/keyring.h"
#include "store/sessions.h"
#include "store/users.h"

/*
 * Functions return copies of the identity's parts: use_access_token() can replace
 * the identity while the same query still holds an earlier result.
 */
static Datum
copy_uuid(const pg_uuid_t *uuid)
{
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	*copy = *uuid;
	return UUIDPGetDatum(copy);
}

PG_FUNCTION_INFO_V1(anon_auth_use_access_token);
Datum
anon_auth_use_access_token(PG_FUNCTION_ARGS)
{
	Span		token = api_token(fcinfo, 0, "token");
	bool		is_local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	TimestampTz now = GetCurrentTimestamp();
	AccessToken access;

	own_jwt_verify_access_token(token.data, token.length, now, &access);
	if (access.jkt != NULL &&
		!identity_use_key(&token, &access,
						  dpop_check(api_text(fcinfo, 2), api_text(fcinfo, 3),
									 api_text(fcinfo, 4), &token, now)))
		raise_token_of_other_key();
	identity_set(json_from_jsonb(access.claims), is_local);
	return copy_uuid(&access.sub);
}

PG_FUNCTION_INFO_V1(anon_auth_uid);
Datum
anon_auth_uid(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	return copy_uuid(&identity->sub);
}

PG_FUNCTION_INFO_V1(anon_auth_is_anonymous);
Datum
anon_auth_is_anonymous(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || !identity->has_is_anonymous)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(identity->is_anonymous);
}

PG_FUNCTION_INFO_V1(anon_auth_has_role);
Datum
anon_auth_has_role(PG_FUNCTION_ARGS)
{
	char	   *role = api_text(fcinfo, 0);
	const Identity *identity = identity_current();

	if (identity == NULL || role == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(identity_has_role(identity, role));
}

PG_FUNCTION_INFO_V1(anon_auth_key_bound);
Datum
anon_auth_key_bound(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	PG_RETURN_BOOL(identity != NULL && identity->is_key_bound);
}

PG_FUNCTION_INFO_V1(anon_auth_session_id);
Datum
anon_auth_session_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || !identity->has_sid)
		PG_RETURN_NULL();
	return copy_uuid(&identity->sid);
}

PG_FUNCTION_INFO_V1(anon_auth_claims);
Datum
anon_auth_claims(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	Jsonb	   *claims;

	if (identity == NULL)
		PG_RETURN_NULL();
	claims = palloc(VARSIZE(identity->claims));
	memcpy(claims, identity->claims, VARSIZE(identity->claims));
	PG_RETURN_JSONB_P(claims);
}

PG_FUNCTION_INFO_V1(anon_auth_session_alive);
Datum
anon_auth_session_alive(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	Session		session;
	User		user;

	PG_RETURN_BOOL(identity != NULL && identity->has_sid &&
				   session_find_alive(&identity->sub, &identity->sid, GetCurrentTimestamp(),
									  &session, &user));
}

PG_FUNCTION_INFO_V1(anon_auth_userinfo);
Datum
anon_auth_userinfo(PG_FUNCTION_ARGS)
{
	User		user;

	api_caller(fcinfo, 0, GetCurrentTimestamp(), &user, NULL);
	PG_RETURN_JSONB_P(claims_userinfo(&user));
}

PG_FUNCTION_INFO_V1(anon_auth_jwks);
Datum
anon_auth_jwks(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(json_to_jsonb(keyring_jwks()));
}

PG_FUNCTION_INFO_V1(anon_auth_openid_configuration);
Datum
anon_auth_openid_configuration(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(json_to_jsonb(discovery_document()));
}
