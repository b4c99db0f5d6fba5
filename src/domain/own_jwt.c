/*-------------------------------------------------------------------------
 *
 * own_jwt.c
 *	  JWTs that our own keys have signed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "domain/own_jwt.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/jose_check.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "store/settings.h"

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
				 errdetail("A token has %d bytes at most.", JOSE_MAX_TOKEN_LENGTH)));
	jose_check_internal(jose_sign(signer->key, signer->alg, (uint8_t *) token, out - token,
								  signature, &signature_length));
	*out++ = '.';
	out += base64url_encode(out, signature, signature_length);
	*out = '\0';
	pfree(header.data);
	return token;
}

/* RFC 8725, section 3.1: the key decides the algorithm, the header only agrees. */
static const char *
check_signature(const JoseCompact *parts, const Jsonb *header)
{
	char	   *kid = json_cstring(header, "kid");
	const SigningKey *verifier;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);

	if (json_member(header, "crit") != NULL)
		return "it has critical header parameters that are not understood";
	if (kid == NULL)
		return "it names no key (kid)";
	verifier = keyring_verifier(kid);
	if (verifier == NULL)
		return "its key is not one of ours";
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
 * Decoding finds what is not base64url, and a signature does not match what it
 * was not made for.  What is wrong with the characters is looked at once the
 * token is refused: it says more.
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

/*
 * exp and nbf where there are any; iss where there is one; and aud, which must
 * name us where there is one, and must be there where the caller names one
 * (RFC 7519, section 4.1).
 */
void
own_jwt_check_claims(const OwnJwt *jwt, const char *audience, TimestampTz now)
{
	const Settings *settings = settings_get();
	const JsonbValue *aud = json_member(jwt->claims, "aud");
	int64		seconds = unix_seconds(now);
	int64		value;

	if (json_member(jwt->claims, "exp") != NULL)
	{
		if (!json_numeric_date(jwt->claims, "exp", &value))
			raise_invalid_token("its \"exp\" is not a time");
		if (value <= seconds)
			raise_invalid_token("it has expired");
	}
	if (json_member(jwt->claims, "nbf") != NULL)
	{
		if (!json_numeric_date(jwt->claims, "nbf", &value))
			raise_invalid_token("its \"nbf\" is not a time");
		if (value > seconds)
			raise_invalid_token("it is not valid yet");
	}
	if (json_member(jwt->claims, "iss") != NULL &&
		!json_string_equals(jwt->claims, "iss", settings->issuer))
		raise_invalid_token("its issuer is another one");
	if ((aud != NULL || audience != NULL) &&
		!json_string_or_array_contains(aud, audience != NULL ? audience : settings->audience))
		raise_invalid_token("its audience is another one");
}

static void
get_uuid_claim(const Jsonb *claims, const char *name, pg_uuid_t *uuid)
{
	Span	text;

	if (!json_string(claims, name, &text) || !uuid_from_text(text.data, text.length, uuid))
		raise_invalid_token(psprintf("its \"%s\" is not a uuid", name));
}

/* RFC 9068: typ at+jwt keeps ID tokens and others from being access tokens. */
void
own_jwt_verify_access_token(const char *token, size_t length, TimestampTz now, AccessToken *access)
{
	OwnJwt		jwt;

	own_jwt_authenticate(token, length, &jwt);
	if (!json_string_equals(jwt.header, "typ", "at+jwt"))
		raise_invalid_token("it is not an access token");
	if (json_member(jwt.claims, "exp") == NULL || json_member(jwt.claims, "iss") == NULL ||
		json_member(jwt.claims, "aud") == NULL)
		raise_invalid_token("it lacks a claim that access tokens have");
	own_jwt_check_claims(&jwt, NULL, now);
	access->claims = jwt.claims;
	get_uuid_claim(jwt.claims, "sub", &access->sub);
	get_uuid_claim(jwt.claims, "sid", &access->sid);
}
