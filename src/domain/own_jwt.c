/*-------------------------------------------------------------------------
 *
 * own_jwt.c
 *	  JWTs that are signed with a key of anon_auth.signing_keys.
 *
 * The key decides the algorithm (RFC 8725, section 3.1), and "typ" decides what a
 * token is good for: an ID token or a token of sign_jwt() must not be accepted as
 * an access token (RFC 9068).
 *
 * The parser has limits of length and depth.  Claims are checked against them
 * before they are signed, so that no token is issued that would be refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "base/unix_time.h"
#include "domain/own_jwt.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/jose_check.h"
#include "keyring/key_cache.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "store/settings.h"

/* Bytes of an audience that an error shows. */
#define AUDIENCE_SHOWN_LENGTH	200

const char *
own_jwt_claims_problem(const char *claims, size_t length)
{
	const char *reason;
	Jsonb	   *object;

	if (length > JOSE_MAX_CLAIMS_LENGTH)
		return "they are longer than " CppAsString2(JOSE_MAX_CLAIMS_LENGTH) " bytes";
	object = json_parse_object(claims, length, &reason);
	if (object == NULL)
		return reason;
	pfree(object);
	return NULL;
}

char *
own_jwt_sign(const char *payload, size_t length, const char *kid, const char *typ)
{
	const SigningKey *signer = keyring_signer(kid);
	StringInfoData header;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		signature_length = sizeof(signature);
	char	   *token;
	char	   *out;

	initStringInfo(&header);
	json_open(&header);
	json_add_string(&header, "alg", jose_alg_name(signer->alg));
	json_add_string(&header, "kid", signer->kid);
	json_add_string(&header, "typ", typ);
	json_close(&header);

	token = palloc(BASE64URL_ENCODED_LENGTH((size_t) header.len) +
				   BASE64URL_ENCODED_LENGTH(length) +
				   BASE64URL_ENCODED_LENGTH(sizeof(signature)) + 3);
	out = token + base64url_encode(token, (uint8_t *) header.data, header.len);
	*out++ = '.';
	out += base64url_encode(out, (const uint8_t *) payload, length);
	if (out - token + 1 + BASE64URL_ENCODED_LENGTH(sizeof(signature)) > JOSE_MAX_TOKEN_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the token would be too long"),
				 errdetail("A token can have at most %d bytes.", JOSE_MAX_TOKEN_LENGTH)));
	jose_check_internal(jose_sign(signer->key, signer->alg, (uint8_t *) token, out - token,
								  signature, &signature_length));
	*out++ = '.';
	out += base64url_encode(out, signature, signature_length);
	*out = '\0';
	pfree(header.data);
	return token;
}

/* Keys that sign tokens use SHA-256, except Ed25519, which uses SHA-512. */
char *
own_jwt_at_hash(const char *access_token, char **kid)
{
	const SigningKey *signer = keyring_signer(NULL);
	uint8_t		hash[crypto_hash_sha512_BYTES];
	size_t		length = crypto_hash_sha256_BYTES;
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(crypto_hash_sha512_BYTES / 2) + 1);

	*kid = pstrdup(signer->kid);
	if (jose_alg_info(signer->alg)->hash == JOSE_SHA512)
	{
		crypto_hash_sha512(hash, (const uint8_t *) access_token, strlen(access_token));
		length = crypto_hash_sha512_BYTES;
	}
	else
		crypto_hash_sha256(hash, (const uint8_t *) access_token, strlen(access_token));
	base64url_encode(text, hash, length / 2);
	return text;
}

/* Return why the signature is not valid, or NULL. */
static const char *
check_signature(const JoseCompact *parts, const Jsonb *header)
{
	char	   *kid = json_cstring(header, "kid");
	const SigningKey *verifier;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);

	if (json_member(header, "crit") != NULL)
		return "it has critical header parameters (crit) that are not supported";
	if (kid == NULL)
		return "it has no key ID (kid)";
	verifier = keyring_verifier(kid);
	if (verifier == NULL)
		return "no signing key has its key ID (kid)";
	if (!json_string_equals(header, "alg", jose_alg_name(verifier->alg)))
		return "its algorithm is not that of its key";
	if (BASE64URL_DECODED_MAX(parts->signature.length) > sizeof(signature) + 3 ||
		base64url_decode(signature, &length, parts->signature.data,
						 parts->signature.length) != JOSE_OK ||
		jose_verify(verifier->key, verifier->alg,
					(const uint8_t *) parts->signing_input.data, parts->signing_input.length,
					signature, length) != JOSE_OK)
		return "its signature does not match";
	return NULL;
}

/* Return why a token that has three parts is refused, or NULL. */
static const char *
open_parts(const JoseCompact *parts, OwnJwt *jwt)
{
	const char *reason = NULL;

	jwt->header = json_parse_header(&parts->header, &reason);
	if (jwt->header != NULL)
		reason = check_signature(parts, jwt->header);
	if (reason == NULL)
		jwt->claims = json_parse_encoded_object(&parts->payload, &reason);
	return reason;
}

/*
 * The characters of the parts are checked only after a token was refused, for a
 * reason that says more.  An authentic token has no wrong characters: decoding and
 * the signature cover all of them.
 */
const char *
own_jwt_open(const char *token, size_t length, OwnJwt *jwt)
{
	JoseCompact parts;
	JoseStatus	status = jose_compact_parts(token, length, &parts);
	const char *reason;

	if (status != JOSE_OK)
		return jose_status_message(status);
	reason = open_parts(&parts, jwt);
	if (reason == NULL)
		return NULL;
	status = jose_compact_split(token, length, &parts);
	return status != JOSE_OK ? jose_status_message(status) : reason;
}

void
own_jwt_authenticate(const char *token, size_t length, OwnJwt *jwt)
{
	const char *reason = own_jwt_open(token, length, jwt);

	if (reason != NULL)
		raise_invalid_token(reason);
}

/* The audience as JSON, which a person can compare.  Long lists are cut. */
static char *
describe_audience(const JsonbValue *aud)
{
	char	   *text;
	int			length;

	if (aud == NULL)
		return "missing";
	text = json_from_jsonb(JsonbValueToJsonb((JsonbValue *) aud));
	length = strlen(text);
	if (length <= AUDIENCE_SHOWN_LENGTH)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, AUDIENCE_SHOWN_LENGTH), text);
}

static void
check_audience(const OwnJwt *jwt, const char *audience, const char *settings_audience)
{
	const JsonbValue *aud = json_member(jwt->claims, "aud");

	if (aud == NULL && audience == NULL)
		return;
	/* An argument is not shown: a token that was passed in the wrong place would get into the log. */
	if (!json_string_or_array_contains(aud, audience != NULL ? audience : settings_audience))
		raise_wrong_audience(describe_audience(aud), audience != NULL ? NULL : settings_audience,
							 audience == NULL && !json_string_equals(jwt->header, "typ", "at+jwt"));
}

/* RFC 7519, section 4.1. */
void
own_jwt_check_claims(const OwnJwt *jwt, const char *audience, TimestampTz now)
{
	const Settings *settings = settings_get();
	int64		seconds = unix_seconds(now);
	int64		value;

	if (json_member(jwt->claims, "exp") != NULL)
	{
		if (!json_numeric_date(jwt->claims, "exp", &value))
			raise_invalid_token("its \"exp\" is not a number of seconds since 1970");
		if (value <= seconds)
			raise_invalid_token("it has expired");
	}
	if (json_member(jwt->claims, "nbf") != NULL)
	{
		if (!json_numeric_date(jwt->claims, "nbf", &value))
			raise_invalid_token("its \"nbf\" is not a number of seconds since 1970");
		if (value > seconds)
			raise_invalid_token("it is not valid yet");
	}
	if (json_member(jwt->claims, "iss") != NULL &&
		!json_string_equals(jwt->claims, "iss", settings->issuer))
		raise_invalid_token("its issuer (iss) is not that of the settings");
	check_audience(jwt, audience, settings->audience);
}

static void
get_uuid_claim(const Jsonb *claims, const char *name, pg_uuid_t *uuid)
{
	if (!json_uuid(claims, name, uuid))
		raise_invalid_token(psprintf("its \"%s\" is not a UUID", name));
}

#define WRONG_ISSUER	"its issuer (iss) is not that of the settings"
#define WRONG_AUDIENCE	"its audience (aud) is not that of the settings"

const char *
own_jwt_access_claims_problem(const Jsonb *claims, const Settings *settings,
							  pg_uuid_t *sub, pg_uuid_t *sid)
{
	int64		expires_at;
	Span		client_id;

	if (settings == NULL)
		settings = settings_get();
	if (!json_string_equals(claims, "iss", settings->issuer))
		return WRONG_ISSUER;
	if (!json_string_or_array_contains(json_member(claims, "aud"), settings->audience))
		return WRONG_AUDIENCE;
	if (!json_numeric_date(claims, "exp", &expires_at))
		return "it has no time of expiry (exp)";
	if (!json_string(claims, "client_id", &client_id))
		return "it has no client (client_id)";
	if (!json_uuid(claims, "sub", sub))
		return "its user (sub) is not a UUID";
	if (!json_uuid(claims, "sid", sid))
		return "its session (sid) is not a UUID";
	return NULL;
}

const char *
own_jwt_machine_claims_problem(const Jsonb *claims)
{
	const Settings *settings = settings_get();
	const JsonbValue *aud = json_member(claims, "aud");

	if (json_member(claims, "iss") != NULL &&
		!json_string_equals(claims, "iss", settings->issuer))
		return WRONG_ISSUER;
	if (aud != NULL && !json_string_or_array_contains(aud, settings->audience))
		return WRONG_AUDIENCE;
	return NULL;
}

bool
own_jwt_has_typ(const char *token, size_t length, const char *typ)
{
	JoseCompact parts;
	const char *reason;
	Jsonb	   *header;

	if (jose_compact_parts(token, length, &parts) != JOSE_OK)
		return false;
	header = json_parse_header(&parts.header, &reason);
	return header != NULL && json_string_equals(header, "typ", typ);
}

/*
 * Return the thumbprint of the key to which a token is bound (RFC 9449, section 6.1), or NULL
 * if it is not bound.  A confirmation of another kind cannot be checked.
 */
static char *
get_key(const Jsonb *claims)
{
	const JsonbValue *cnf = json_member(claims, "cnf");
	Jsonb	   *object = json_container(cnf);
	char	   *jkt = object == NULL ? NULL : json_cstring(object, "jkt");

	if (cnf != NULL && jkt == NULL)
		raise_invalid_token("its confirmation (cnf) has no jkt");
	return jkt;
}

void
own_jwt_verify_access_token(const char *token, size_t length, TimestampTz now, AccessToken *access)
{
	OwnJwt		jwt;

	own_jwt_authenticate(token, length, &jwt);
	if (!json_string_equals(jwt.header, "typ", "at+jwt"))
		raise_invalid_token("it is not an access token");
	if (json_member(jwt.claims, "exp") == NULL || json_member(jwt.claims, "iss") == NULL ||
		json_member(jwt.claims, "aud") == NULL)
		raise_invalid_token("it lacks exp, iss or aud, which access tokens have");
	own_jwt_check_claims(&jwt, NULL, now);
	access->claims = jwt.claims;
	get_uuid_claim(jwt.claims, "sub", &access->sub);
	get_uuid_claim(jwt.claims, "sid", &access->sid);
	access->jkt = get_key(jwt.claims);
}
