/*-------------------------------------------------------------------------
 *
 * provider_id_token.c
 *	  ID tokens of other providers (OpenID Connect Core, section 3.1.3.7).
 *
 * The rules are stricter than the specification: a nonce is always required, each
 * audience must be one of ours, and there is no tolerance for exp.  The nonce is one of
 * our challenges or its hash, so a token cannot be older than the challenge.
 *
 * The claims are checked before the signature, and the key is looked up last: a token
 * that would be refused anyway does not make a provider due for new keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/raise.h"
#include "base/span.h"
#include "base/unix_time.h"
#include "domain/challenge.h"
#include "domain/identity_provider.h"
#include "domain/provider_id_token.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jws.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "keyring/public_key.h"
#include "store/identity_providers.h"

/* An ID token whose parts have been parsed, and nothing checked. */
typedef struct IdToken
{
	JoseCompact parts;			/* point into the token */
	Jsonb	   *header;
	Jsonb	   *payload;
} IdToken;

/*
 * The claims that are stored: those of the profile (OpenID Connect Core, section 5.1),
 * Google's domain of an organisation, and Apple's mark of a forwarding address.
 */
static const char *const profile_claims[] = {
	"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name",
	"hd", "is_private_email", "locale", "middle_name", "name", "nickname", "phone_number",
	"phone_number_verified", "picture", "preferred_username", "profile", "updated_at",
	"website", "zoneinfo"
};

static void
parse_token(const char *text, IdToken *token)
{
	const char *reason;
	JoseStatus	status = jose_compact_split(text, strlen(text), &token->parts);

	if (status != JOSE_OK)
		raise_invalid_id_token(psprintf("The token is not a compact JWS: %s.",
										jose_status_message(status)));
	token->header = json_parse_header(&token->parts.header, &reason);
	if (token->header == NULL)
		raise_invalid_id_token(psprintf("The header is refused: %s.", reason));
	token->payload = json_parse_encoded_object(&token->parts.payload, &reason);
	if (token->payload == NULL)
		raise_invalid_id_token(psprintf("The payload is refused: %s.", reason));
}

/* Refuse tokens of another kind, such as access tokens and logout tokens (RFC 8725, section 3.11). */
static void
check_kind(const IdToken *token)
{
	Span		typ;

	if (json_member(token->header, "crit") != NULL)
		raise_invalid_id_token("The header has critical parameters (crit) that are not supported.");
	if (json_member(token->header, "typ") == NULL)
		return;
	if (!json_string(token->header, "typ", &typ) || typ.length != 3 ||
		pg_strncasecmp(typ.data, "JWT", 3) != 0)
		raise_invalid_id_token("The \"typ\" is not JWT.");
}

/* Fill provider with that of the token, whose "iss" must be its issuer byte for byte. */
static void
find_provider(const IdToken *token, IdentityProvider *provider)
{
	char	   *issuer = json_cstring(token->payload, "iss");

	if (issuer == NULL)
		raise_invalid_id_token("The token has no issuer (iss).");
	if (!identity_providers_find(issuer, provider))
		raise_invalid_id_token("The issuer (iss) is not an identity provider of this database.");
}

/* Add a value of "aud" to count.  Refuse one that is none of ours. */
static void
check_one_audience(const JsonbValue *value, const IdentityProvider *provider, int *count)
{
	if (value->type != jbvString)
		raise_invalid_id_token("The audience (aud) is neither a string nor an array of strings.");
	if (!string_list_contains(&provider->audiences,
							  pnstrdup(value->val.string.val, value->val.string.len)))
		raise_invalid_id_token("The audience (aud) has a value that is not in the provider's audiences.");
	(*count)++;
}

static int
check_every_audience(const IdToken *token, const IdentityProvider *provider)
{
	JsonbValue *aud = json_member(token->payload, "aud");
	JsonbIterator *iterator;
	JsonbIteratorToken item;
	JsonbValue	value;
	int			count = 0;

	if (aud == NULL)
		raise_invalid_id_token("The token has no audience (aud).");
	if (aud->type != jbvBinary || !JsonContainerIsArray(aud->val.binary.data))
	{
		check_one_audience(aud, provider, &count);
		return count;
	}
	iterator = JsonbIteratorInit(aud->val.binary.data);
	while ((item = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (item == WJB_ELEM)
			check_one_audience(&value, provider, &count);
	return count;
}

/* Steps 3 to 5: the token was issued for us, and for nobody whom we do not know. */
static void
check_audience(const IdToken *token, const IdentityProvider *provider)
{
	int			count = check_every_audience(token, provider);
	char	   *azp = json_cstring(token->payload, "azp");

	if (count == 0)
		raise_invalid_id_token("The audience (aud) is empty.");
	if (json_member(token->payload, "azp") == NULL)
	{
		if (count > 1)
			raise_invalid_id_token("The token has several audiences (aud), but no authorized party (azp).");
	}
	else if (azp == NULL || !string_list_contains(&provider->audiences, azp))
		raise_invalid_id_token("The authorized party (azp) is not in the provider's audiences.");
}

static int64
read_time(const IdToken *token, const char *name)
{
	int64		seconds;

	if (json_member(token->payload, name) == NULL)
		raise_invalid_id_token(psprintf("The token has no \"%s\".", name));
	if (!json_numeric_date(token->payload, name, &seconds))
		raise_invalid_id_token(psprintf("The \"%s\" is not a number of seconds since 1970.", name));
	return seconds;
}

/* The provider made the token after it had seen the challenge or its hash. */
static void
check_times(const IdToken *token, const Challenge *challenge, TimestampTz now)
{
	int64		seconds = unix_seconds(now);
	int64		issued_at = read_time(token, "iat");

	if (read_time(token, "exp") <= seconds)
		raise_invalid_id_token("The token has expired (exp).");
	if (issued_at > seconds + CLOCK_SKEW_SECONDS)
		raise_invalid_id_token("The token was issued in the future (iat).");
	if (issued_at < unix_seconds(challenge->issued_at) - CLOCK_SKEW_SECONDS)
		raise_invalid_id_token("The token was issued before the challenge in its nonce (iat).");
	if (json_member(token->payload, "nbf") != NULL &&
		read_time(token, "nbf") > seconds + CLOCK_SKEW_SECONDS)
		raise_invalid_id_token("The token is not valid yet (nbf).");
}

/* Return whether the nonce of a token is that challenge, or its SHA-256 in hex or base64url. */
static bool
nonce_is_for(Span nonce, const char *challenge)
{
	uint8		hash[crypto_hash_sha256_BYTES];
	char		hex[2 * sizeof(hash) + 1];
	char		encoded[BASE64URL_ENCODED_LENGTH(sizeof(hash)) + 1];

	crypto_hash_sha256(hash, (const uint8 *) challenge, strlen(challenge));
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	encoded[base64url_encode(encoded, hash, sizeof(hash))] = '\0';
	return span_equals(nonce, challenge) || span_equals(nonce, hex) || span_equals(nonce, encoded);
}

static void
check_nonce(const IdToken *token, const char *challenge, TimestampTz now, Challenge *result)
{
	Span		nonce;
	Span		text;
	const char *problem;

	if (!json_string(token->payload, "nonce", &nonce))
		raise_invalid_id_token("The token has no nonce.");
	text = challenge == NULL ? nonce : span_of_string(challenge);
	problem = challenge_problem(&text, CHALLENGE_ID_TOKEN, now, result);
	if (problem != NULL)
		raise_invalid_nonce(problem);
	if (!nonce_is_for(nonce, pnstrdup(text.data, text.length)))
		raise_invalid_id_token("The nonce of the token is neither the nonce that was passed nor its SHA-256.");
}

/* Return the algorithm of a token if the provider may use it. */
static JoseAlg
check_algorithm(const IdToken *token, const IdentityProvider *provider)
{
	Span		name;
	JoseAlg		alg;

	if (!json_string(token->header, "alg", &name))
		raise_invalid_id_token("The header has no algorithm (alg).");
	alg = jose_alg_by_name(name);
	if (!jose_alg_is_for(alg, JOSE_USE_VERIFY) || jose_alg_is_symmetric(alg) ||
		!string_list_contains(&provider->algorithms, jose_alg_name(alg)))
		raise_invalid_id_token("The algorithm (alg) is not one of the provider's algorithms.");
	return alg;
}

static void
check_signature(const IdToken *token, const IdentityProvider *provider, TimestampTz now)
{
	JoseAlg		alg = check_algorithm(token, provider);
	const char *reason;
	const JoseKey *key;
	Jsonb	   *jwk;
	Span		kid;

	if (!json_string(token->header, "kid", &kid))
		raise_invalid_id_token("The header has no key ID (kid).");
	jwk = identity_provider_key(provider, kid);
	if (jwk == NULL)
	{
		identity_provider_mark_due(provider, now);
		raise_provider_key_unknown();
	}
	key = public_key_get(jwk, &reason);
	if (key == NULL)
		raise_invalid_id_token(psprintf("The provider's key is refused: %s.", reason));
	if (public_key_verify(key, jwk, alg, &token->parts) != JOSE_OK)
		raise_invalid_id_token("The signature does not match the provider's key.");
}

/* Leave out what is too long to be shown, such as an image in a data URI. */
static bool
is_storable(const JsonbValue *value)
{
	if (value == NULL)
		return false;
	if (value->type == jbvString)
		return value->val.string.len <= PROFILE_CLAIM_MAX_LENGTH;
	return value->type != jbvBinary || value->val.binary.len <= PROFILE_CLAIM_MAX_LENGTH;
}

static Jsonb *
copy_profile(const Jsonb *payload)
{
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < lengthof(profile_claims); i++)
	{
		JsonbValue *value = json_member(payload, profile_claims[i]);
		JsonbValue	name;

		if (!is_storable(value))
			continue;
		name.type = jbvString;
		name.val.string.val = (char *) profile_claims[i];
		name.val.string.len = strlen(profile_claims[i]);
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Some providers write email_verified as a string. */
static void
read_identity(const IdToken *token, const IdentityProvider *provider, ProviderIdentity *identity)
{
	identity->issuer = provider->issuer;
	identity->subject = json_cstring(token->payload, "sub");
	if (identity->subject == NULL || identity->subject[0] == '\0' ||
		strlen(identity->subject) > SUBJECT_MAX_LENGTH)
		raise_invalid_id_token("The subject (sub) must have 1 to " CppAsString2(SUBJECT_MAX_LENGTH) " bytes.");
	identity->claims = copy_profile(token->payload);
	identity->email = json_cstring(token->payload, "email");
	identity->email_is_proven = provider->trust_email && identity->email != NULL &&
		(json_boolean(token->payload, "email_verified") ||
		 json_string_equals(token->payload, "email_verified", "true"));
}

void
provider_id_token_open(const char *text, const char *nonce, TimestampTz now,
					   ProviderIdentity *identity)
{
	IdToken		token;
	IdentityProvider provider;

	parse_token(text, &token);
	check_kind(&token);
	find_provider(&token, &provider);
	check_audience(&token, &provider);
	check_nonce(&token, nonce, now, &identity->challenge);
	check_times(&token, &identity->challenge, now);
	read_identity(&token, &provider, identity);
	check_signature(&token, &provider, now);
}
