/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  The identity of the caller, for row-level security.
 *
 * A policy asks this for every row.  So the parsed claims are cached, one entry for
 * each source.  The entry of use_access_token() is valid as long as the version
 * number of anon_auth.verified_claims stays the same.  The entry of
 * request.jwt.claims is valid as long as the text, the issuer and the audience do.
 *
 * The SQL functions that ask are not SECURITY DEFINER, because switching the user
 * would cost more than the functions themselves.  They become the owner only to
 * read the settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "access/xact.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/raise.h"
#include "base/span.h"
#include "base/unix_time.h"
#include "domain/identity.h"
#include "domain/own_jwt.h"
#include "domain/session.h"
#include "json/json_read.h"
#include "json/json_setting.h"
#include "store/settings.h"
#include "storage/proc.h"
#include "store/users.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define REQUEST_CLAIMS	"request.jwt.claims"
#define VERIFIED_CLAIMS	"anon_auth.verified_claims"

typedef struct CachedIdentity
{
	MemoryContext context;
	bool		valid;
	bool		known;			/* the claims name a user */
	Identity	identity;
	int64		expires_at;		/* Unix seconds; 0: never */
} CachedIdentity;

static CachedIdentity verified;
static uint64 verified_version;

static CachedIdentity requested;
/* The sources of requested, allocated in requested.context. */
static char *requested_text;
static char *requested_issuer;
static char *requested_audience;

/* The last token that is bound to a key and whose proof was accepted. */
static struct
{
	LocalTransactionId transaction;
	uint8		hash[crypto_hash_sha256_BYTES];
}			accepted_token;

/* Empty an entry, and make its memory context on first use. */
static void
reset_identity(CachedIdentity *cached)
{
	cached->valid = false;
	if (cached->context == NULL)
		cached->context = AllocSetContextCreate(TopMemoryContext, "anon_auth identity",
												ALLOCSET_SMALL_SIZES);
	MemoryContextReset(cached->context);
}

/*
 * Fill an entry from the claims in a parameter.  Claims whose sub or sid is not a
 * UUID belong to nobody.  Raises 22023 if the parameter cannot be read.
 */
static void
fill_identity(CachedIdentity *cached, const char *parameter)
{
	MemoryContext caller = MemoryContextSwitchTo(cached->context);
	Jsonb	   *claims = json_setting(parameter, ERRCODE_INVALID_PARAMETER_VALUE);
	JsonbValue *member;
	Identity   *identity = &cached->identity;

	memset(identity, 0, sizeof(Identity));
	cached->expires_at = 0;
	cached->known = claims != NULL && json_uuid(claims, "sub", &identity->sub);
	if (cached->known && json_member(claims, "sid") != NULL)
		cached->known = identity->has_sid = json_uuid(claims, "sid", &identity->sid);
	if (cached->known)
	{
		identity->claims = claims;
		member = json_member(claims, "is_anonymous");
		identity->has_is_anonymous = member != NULL && member->type == jbvBool;
		identity->is_anonymous = identity->has_is_anonymous && member->val.boolean;
		identity->is_key_bound = json_member(claims, "cnf") != NULL;
		if (!json_numeric_date(claims, "exp", &cached->expires_at))
			cached->expires_at = 0;
	}
	cached->valid = true;
	MemoryContextSwitchTo(caller);
}

/* Return the identity that use_access_token() set, unless it has expired. */
static const Identity *
verified_identity(void)
{
	if (!verified.valid || verified_version != guc_verified_claims_version())
	{
		reset_identity(&verified);
		fill_identity(&verified, VERIFIED_CLAIMS);
		verified_version = guc_verified_claims_version();
	}
	if (!verified.known ||
		verified.expires_at <= unix_seconds(GetCurrentStatementStartTimestamp()))
		return NULL;
	return &verified.identity;
}

/*
 * Return the identity of request.jwt.claims, if the settings trust that parameter.
 * PostgREST checks the signature and the expiry but accepts every token of our keys.
 * So ID tokens and most tokens of sign_jwt() must be refused here.  The parameter does
 * not contain the token's header: postgrest_pre_request() checks the typ.
 */
static const Identity *
requested_identity(void)
{
	const char *json = GetConfigOption(REQUEST_CLAIMS, true, false);
	const Settings *settings;

	if (json == NULL || json[0] == '\0')
		return NULL;
	settings = settings_get_as_owner();
	if (!settings->trust_request_claims)
		return NULL;
	if (!requested.valid || strcmp(requested_text, json) != 0 ||
		strcmp(requested_issuer, settings->issuer) != 0 ||
		strcmp(requested_audience, settings->audience) != 0)
	{
		reset_identity(&requested);
		requested_text = MemoryContextStrdup(requested.context, json);
		requested_issuer = MemoryContextStrdup(requested.context, settings->issuer);
		requested_audience = MemoryContextStrdup(requested.context, settings->audience);
		fill_identity(&requested, REQUEST_CLAIMS);
		requested.known = requested.known && !requested.identity.is_key_bound &&
			own_jwt_access_claims_problem(requested.identity.claims, settings,
										  &requested.identity.sub,
										  &requested.identity.sid) == NULL;
	}
	return requested.known ? &requested.identity : NULL;
}

const Identity *
identity_current(void)
{
	return guc_verified_claims()[0] != '\0' ? verified_identity() : requested_identity();
}

bool
identity_has_role(const Identity *identity, const char *role)
{
	return json_string_or_array_contains(json_member(identity->claims, "roles"), role);
}

/* ---- tokens that are bound to a key ---- */

static void
accept_token(const Span *token)
{
	crypto_hash_sha256(accepted_token.hash, (const uint8 *) token->data, token->length);
	accepted_token.transaction = MyLocalTransactionId();
}

bool
identity_has_used_key(const Span *token)
{
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8 *) token->data, token->length);
	return accepted_token.transaction == MyLocalTransactionId() &&
		memcmp(accepted_token.hash, hash, sizeof(hash)) == 0;
}

bool
identity_use_key(const Span *token, const AccessToken *access, DpopCheck *check)
{
	if (!dpop_matches(check, access->jkt))
		return false;
	accept_token(token);
	return true;
}

/* ---- the user of a token or of the caller ---- */

/* What an access token, or the current identity, says about the caller. */
typedef struct CallerIds
{
	pg_uuid_t	user_id;
	bool		has_session_id;
	pg_uuid_t	session_id;
} CallerIds;

static void
get_caller_ids(const Span *token, TimestampTz now, CallerIds *ids)
{
	const Identity *identity;
	AccessToken access;

	if (token != NULL)
	{
		own_jwt_verify_access_token(token->data, token->length, now, &access);
		if (access.jkt != NULL && !identity_has_used_key(token))
			raise_invalid_token("it is bound to a key, and use_access_token() has not accepted it with a DPoP proof in this transaction");
		*ids = (CallerIds) {access.sub, true, access.sid};
		return;
	}
	identity = identity_current();
	if (identity == NULL)
		raise_no_access_token();
	*ids = (CallerIds) {identity->sub, identity->has_sid, identity->sid};
}

void
identity_get_user(const Span *token, TimestampTz now, User *user, Session *session)
{
	CallerIds	ids;

	get_caller_ids(token, now, &ids);
	session_get_user(&ids.user_id, ids.has_session_id ? &ids.session_id : NULL, now, user,
					 session);
}

void
identity_lock_user(const Span *token, TimestampTz now, User *user, Session *session)
{
	CallerIds	ids;

	get_caller_ids(token, now, &ids);
	session_lock_user(&ids.user_id, ids.has_session_id ? &ids.session_id : NULL, now, user,
					  session);
}

bool
identity_is_former_guest(const Jsonb *claims, const pg_uuid_t *user_id)
{
	User		user;

	return json_boolean(claims, "is_anonymous") &&
		users_find(user_id, &user) && !user.is_anonymous;
}

void
identity_set(const char *claims, bool is_local)
{
	guc_set_verified_claims(claims, is_local);
}
