/*-------------------------------------------------------------------------
 *
 * request_jwt.c
 *	  The request that a device signs with its key (docs/authgear.md, section
 *	  1.2).
 *
 * The rules are stricter than Authgear's: the action is checked, the signature is
 * always verified, a jwk must be public and of sufficient size, and a key can use
 * a challenge once.
 *
 * No lock is held while a signature is verified: see request_jwt_authenticate().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "domain/challenge.h"
#include "domain/request_jwt.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "jose/key.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/jwk.h"
#include "keyring/public_key.h"
#include "miscadmin.h"
#include "store/device_keys.h"

#define ANONYMOUS_TYP		"vnd.authgear.anonymous-request"
#define BIOMETRIC_TYP		"vnd.authgear.biometric-request"

/* What the kinds of request must have: "typ" in the header, "action", and the challenge. */
static const struct
{
	const char *typ;
	const char *action;
	ChallengePurpose purpose;
}			kinds[] = {
	[REQUEST_AUTH] = {ANONYMOUS_TYP, "auth", CHALLENGE_ANONYMOUS_REQUEST},
	[REQUEST_PROMOTE] = {ANONYMOUS_TYP, "promote", CHALLENGE_ANONYMOUS_REQUEST},
	[REQUEST_SETUP] = {BIOMETRIC_TYP, "setup", CHALLENGE_BIOMETRIC_REQUEST},
	[REQUEST_AUTHENTICATE] = {BIOMETRIC_TYP, "authenticate", CHALLENGE_BIOMETRIC_REQUEST}
};

/* Races for the window of a key that a login may lose before it gives up. */
#define MAX_RACES			100

static Jsonb *
decode_object(const Span *part, const char *what)
{
	const char *reason;
	Jsonb	   *object = json_parse_encoded_object(part, &reason);

	if (object == NULL)
		raise_invalid_request_jwt(psprintf("The %s is refused: %s.", what, reason));
	return object;
}

/*
 * Read a NumericDate (RFC 7519, section 2); return false if the request does not
 * have it.
 */
static bool
read_time(const Jsonb *payload, const char *name, int64 *seconds)
{
	if (json_member(payload, name) == NULL)
		return false;
	if (!json_numeric_date(payload, name, seconds))
		raise_invalid_request_jwt(psprintf("The \"%s\" is not a number of seconds since 1970.", name));
	return true;
}

static void
check_times(const Jsonb *payload, TimestampTz now)
{
	int64		seconds = unix_seconds(now);
	int64		value;

	if (read_time(payload, "exp", &value) && value <= seconds - CLOCK_SKEW_SECONDS)
		raise_invalid_request_jwt("The request has expired (exp).");
	if (read_time(payload, "iat", &value) && value > seconds + CLOCK_SKEW_SECONDS)
		raise_invalid_request_jwt("The request was issued in the future (iat).");
	if (read_time(payload, "nbf", &value) && value > seconds + CLOCK_SKEW_SECONDS)
		raise_invalid_request_jwt("The request is not valid yet (nbf).");
}

static bool
kid_is_well_formed(const char *kid)
{
	size_t		length = strlen(kid);

	return length >= KID_MIN_LENGTH && length <= KID_MAX_LENGTH &&
		strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

/* Raise AA016 unless a jwk is a public key that can verify signatures with alg. */
static void
check_jwk(Jsonb *jwk, JoseAlg alg)
{
	const char *reason = NULL;
	const JoseKey *key;

	if (json_member(jwk, "d") != NULL)
		reason = "it has a private part, which must never leave the device";
	else if (json_string_equals(jwk, "kty", "oct"))
		reason = "a device key must be asymmetric";
	else if (!jwk_is_for_alg(jwk, alg))
		reason = "its \"alg\" is not that of the request";
	else
	{
		key = public_key_get(jwk, &reason);
		if (key != NULL && !jose_key_allows(key, alg))
			reason = "the request's algorithm does not fit it";
	}
	if (reason != NULL)
		raise_invalid_device_key(reason);
}

/* Read kid and jwk.  The kid may be in the header, in the jwk, or in both. */
static void
parse_key(const Jsonb *header, RequestJwt *request)
{
	const JsonbValue *member = json_member(header, "jwk");
	char	   *kid = json_cstring(header, "kid");
	char	   *jwk_kid;

	request->jwk = NULL;
	if (json_member(header, "kid") != NULL && kid == NULL)
		raise_invalid_request_jwt("The \"kid\" is not a string.");
	if (member != NULL)
	{
		request->jwk = json_container(member);
		if (request->jwk == NULL)
			raise_invalid_request_jwt("The \"jwk\" is not a JSON object.");
		jwk_kid = json_cstring(request->jwk, "kid");
		if (kid != NULL && jwk_kid != NULL && strcmp(kid, jwk_kid) != 0)
			raise_invalid_request_jwt("The \"kid\" of the header is not that of the \"jwk\".");
		if (jwk_kid != NULL)
			kid = jwk_kid;
	}
	if (kid == NULL)
		raise_invalid_request_jwt("The request has no key ID (kid).");
	if (!kid_is_well_formed(kid))
		raise_invalid_request_jwt("The \"kid\" must be 8 to 64 letters, digits, hyphens or underscores.");
	request->kid = kid;
	request->thumbprint = NULL;
	if (request->jwk != NULL)
	{
		check_jwk(request->jwk, request->alg);
		request->thumbprint = public_key_thumbprint(request->jwk);
	}
}

static void
parse_header(const Jsonb *header, RequestAction action, RequestJwt *request)
{
	Span		alg;
	char		list[JOSE_ALG_LIST_SIZE];

	if (!json_string_equals(header, "typ", kinds[action].typ))
		raise_invalid_request_jwt(psprintf("The \"typ\" must be %s.", kinds[action].typ));
	if (json_member(header, "crit") != NULL)
		raise_invalid_request_jwt("The header has critical parameters (crit) that are not supported.");
	if (!json_string(header, "alg", &alg))
		raise_invalid_request_jwt("The header has no algorithm (alg).");
	request->alg = jose_alg_by_name(alg);
	if (!jose_alg_is_for(request->alg, JOSE_USE_DEVICE_KEYS))
		raise_invalid_request_jwt(psprintf("The \"alg\" must be one of %s.",
										   jose_alg_list(JOSE_USE_DEVICE_KEYS, " or ", NULL, list)));
	parse_key(header, request);
}

/* Read what the device reports about itself. */
static void
parse_device_info(const Jsonb *payload, RequestJwt *request)
{
	const JsonbValue *member = json_member(payload, "device_info");

	request->device_info = member == NULL ? NULL : json_container(member);
	if (member != NULL &&
		(request->device_info == NULL || !JB_ROOT_IS_OBJECT(request->device_info)))
		raise_invalid_request_jwt("The \"device_info\" is not a JSON object.");
	if (request->device_info != NULL &&
		json_text_is_longer(request->device_info, DEVICE_INFO_MAX_LENGTH))
		raise_invalid_request_jwt(psprintf("The \"device_info\" is larger than %d bytes.",
										   DEVICE_INFO_MAX_LENGTH));
}

static void
parse_payload(const Jsonb *payload, RequestAction action, TimestampTz now, RequestJwt *request)
{
	Span		challenge;

	check_times(payload, now);
	if (!json_string_equals(payload, "action", kinds[action].action))
		raise_invalid_request_jwt(psprintf("The \"action\" must be %s.", kinds[action].action));
	if (!json_string(payload, "challenge", &challenge))
		raise_invalid_request_jwt("The payload has no \"challenge\".");
	challenge_open(&challenge, kinds[action].purpose, now, &request->challenge);
	request->device_info = NULL;
	if (kinds[action].purpose == CHALLENGE_BIOMETRIC_REQUEST)
		parse_device_info(payload, request);
}

static void
split_request(const char *jwt, size_t length, JoseCompact *parts)
{
	JoseStatus	status = jose_compact_split(jwt, length, parts);

	if (status != JOSE_OK)
		raise_invalid_request_jwt(psprintf("The request is not a compact JWS: %s.", jose_status_message(status)));
}

const char *
request_jwt_claimed_action(const char *jwt, size_t length)
{
	JoseCompact parts;

	split_request(jwt, length, &parts);
	return json_cstring(decode_object(&parts.payload, "payload"), "action");
}

void
request_jwt_parse(const char *jwt, size_t length, RequestAction action, TimestampTz now,
				  RequestJwt *request)
{
	split_request(jwt, length, &request->parts);
	parse_header(decode_object(&request->parts.header, "header"), action, request);
	parse_payload(decode_object(&request->parts.payload, "payload"), action, now, request);
}

/* Name the most common mistake: many libraries sign in DER by default. */
static void
check_signature_size(const RequestJwt *request)
{
	const JoseAlgInfo *info = jose_alg_info(request->alg);
	int			size = info->signature_length;

	if (info->key_type == JOSE_KEY_EC &&
		request->parts.signature.length != BASE64URL_ENCODED_LENGTH(size))
		raise_invalid_request_jwt(psprintf("An %s signature has %d bytes: R and S, one after the other, not in DER.",
										   jose_alg_name(request->alg), size));
}

static bool
signature_matches(const RequestJwt *request, Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key = public_key_get(jwk, &reason);

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a device key is damaged"),
				 errdetail_internal("%s", reason)));
	return public_key_verify(key, jwk, request->alg, &request->parts) == JOSE_OK;
}

void
request_jwt_verify(const RequestJwt *request, Jsonb *jwk, const char *alg)
{
	if (strcmp(alg, jose_alg_name(request->alg)) != 0)
		raise_invalid_request_jwt("The \"alg\" is not that of the device key.");
	check_signature_size(request);
	if (!signature_matches(request, jwk))
		raise_invalid_request_jwt("The signature does not match the device key.");
}

/*
 * Fill key with the removed key of an account that signed the request, or return false.
 * The signature shows that the request comes from that device: others who know its kid
 * do not learn that there is an account.
 */
static bool
find_account_key(const RequestJwt *request, AccountKey *key)
{
	int			count;
	AccountKey *keys = device_keys_find_removed(request->kid, &count);
	int			i;

	for (i = 0; i < count; i++)
		if (strcmp(keys[i].alg, jose_alg_name(request->alg)) == 0 &&
			signature_matches(request, keys[i].jwk))
		{
			*key = keys[i];
			return true;
		}
	return false;
}

/* Without a jwk, several keys may have the kid: the signature tells which of them it is. */
bool
request_jwt_find_key(const RequestJwt *request, DeviceKey *key)
{
	DeviceKey  *keys;
	AccountKey	removed;
	bool		same_alg = false;
	int			count;
	int			i;

	if (request->jwk != NULL)
	{
		if (!device_keys_find(request->kid, request->thumbprint, key))
			return false;
		request_jwt_verify(request, key->jwk, key->alg);
		return true;
	}
	keys = device_keys_find_by_kid(request->kid, &count);
	if (count == 0)
		return false;
	for (i = 0; i < count; i++)
	{
		if (strcmp(keys[i].alg, jose_alg_name(request->alg)) != 0)
			continue;
		same_alg = true;
		check_signature_size(request);
		if (signature_matches(request, keys[i].jwk))
		{
			*key = keys[i];
			return true;
		}
	}

	/* Others can register a key with the kid of a removed one. */
	if (find_account_key(request, &removed))
		return false;
	raise_request_jwt_not_signed(same_alg);
}

bool
request_jwt_use_challenge(const RequestJwt *request, const DeviceKey *key, TimestampTz now)
{
	return device_keys_replace_challenges(key, challenge_use(key->used_challenges,
															 &request->challenge, now), now);
}

/* Like request_jwt_find_key(), but only for the keys of guests. */
static bool
find_guest_key(const RequestJwt *request, DeviceKey *key)
{
	if (!request_jwt_find_key(request, key))
		return false;
	if (key->of_account)
		raise_not_anonymous();
	return true;
}

/*
 * The window of used challenges is replaced only if it is still the one that was
 * read; otherwise everything is repeated with the new one.  A row lock instead,
 * held while the signature is verified, would let anybody who knows a kid delay
 * the logins of its owner.
 */
bool
request_jwt_authenticate(const RequestJwt *request, TimestampTz now, DeviceKey *key)
{
	int			attempt;

	for (attempt = 0; attempt < MAX_RACES; attempt++)
	{
		if (!find_guest_key(request, key))
			return false;
		if (request_jwt_use_challenge(request, key, now))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not use the challenge because of concurrent logins with this key"),
			 errhint("The transaction might succeed if retried.")));
}

bool
request_jwt_check(const RequestJwt *request, TimestampTz now, DeviceKey *key)
{
	if (!find_guest_key(request, key))
		return false;
	(void) challenge_use(key->used_challenges, &request->challenge, now);
	return true;
}

bool
request_jwt_is_of_account(const RequestJwt *request, const pg_uuid_t *account)
{
	AccountKey	key;

	return find_account_key(request, &key) && uuid_equals(&key.user_id, account);
}

void
request_jwt_raise_unregistered(const RequestJwt *request, bool can_start_guest)
{
	AccountKey	key;

	if (find_account_key(request, &key))
		raise_removed_device_key(can_start_guest);
	raise_unknown_device_key();
}

void
request_jwt_raise_unknown_account_key(const RequestJwt *request)
{
	AccountKey	key;

	if (find_account_key(request, &key))
		raise_removed_device_key(false);
	raise_unknown_account_key();
}
