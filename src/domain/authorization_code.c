/*-------------------------------------------------------------------------
 *
 * authorization_code.c
 *	  Authorization codes with PKCE (RFC 6749, section 4.1; RFC 7636).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/raise.h"
#include "domain/authorization.h"
#include "domain/domain.h"

/* The user's id, which tells the shard, and a secret. */
#define CODE_SECRET_LENGTH		32
#define CODE_LENGTH				(UUID_LEN + CODE_SECRET_LENGTH)
#define VERIFIER_MIN_LENGTH		43
#define VERIFIER_MAX_LENGTH		128
#define CODE_CHALLENGE_LENGTH	BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES)

#define UNRESERVED \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static bool
consists_of(const char *text, const char *characters, size_t min, size_t max)
{
	size_t		length = strlen(text);

	return length >= min && length <= max && strspn(text, characters) == length;
}

bool
client_has_redirect_uri(const Client *client, const char *redirect_uri)
{
	int			i;

	for (i = 0; i < client->redirect_uris.count; i++)
		if (strcmp(client->redirect_uris.items[i], redirect_uri) == 0)
			return true;
	return false;
}

void
client_require_redirect_uri(const Client *client, const char *redirect_uri)
{
	if (!client_has_redirect_uri(client, redirect_uri))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("redirect URI is not allowed"),
				 errdetail("It is not one of the redirect_uris of the client.")));
}

void
pkce_check(const char *code_challenge, const char *code_challenge_method)
{
	if (strcmp(code_challenge_method, "S256") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only 'S256' PKCE transform is supported")));
	if (!consists_of(code_challenge, UNRESERVED, CODE_CHALLENGE_LENGTH, CODE_CHALLENGE_LENGTH) ||
		strpbrk(code_challenge, ".~") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid PKCE code challenge"),
				 errdetail("It must be the base64url form of a SHA-256.")));
}

char *
authorization_code_create(const Client *client, const User *user, const char *redirect_uri,
						  const char *code_challenge, const char *nonce, TimestampTz now,
						  TimestampTz *expires_at)
{
	AuthorizationCode code = {0};
	uint8		bytes[CODE_LENGTH];
	uint8		hash[crypto_hash_sha256_BYTES];
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(CODE_LENGTH) + 1);

	memcpy(bytes, user->id.data, UUID_LEN);
	randombytes_buf(bytes + UUID_LEN, CODE_SECRET_LENGTH);
	base64url_encode(text, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	crypto_hash_sha256(hash, (uint8 *) text, strlen(text));

	*expires_at = now + INT64CONST(1) * SHORT_LIFETIME_SECONDS * USECS_PER_SEC;
	code.user_id = user->id;
	code.client_id = client->client_id;
	code.redirect_uri = (char *) redirect_uri;
	code.code_challenge = (char *) code_challenge;
	code.nonce = (char *) nonce;
	code.authenticated_at = now;
	code.expires_at = *expires_at;
	authorization_code_insert(hash, &code);
	return text;
}

static pg_uuid_t
code_user_id(const char *text)
{
	uint8		bytes[CODE_LENGTH];
	size_t		length = sizeof(bytes);
	pg_uuid_t	user_id;

	if (strlen(text) != BASE64URL_ENCODED_LENGTH(CODE_LENGTH) ||
		base64url_decode(bytes, &length, text, strlen(text)) != JOSE_OK)
		raise_invalid_authorization_code();
	memcpy(user_id.data, bytes, UUID_LEN);
	sodium_memzero(bytes, sizeof(bytes));
	return user_id;
}

static bool
verifier_matches(const char *verifier, const char *code_challenge)
{
	uint8		hash[crypto_hash_sha256_BYTES];
	char		encoded[CODE_CHALLENGE_LENGTH];

	crypto_hash_sha256(hash, (const uint8 *) verifier, strlen(verifier));
	base64url_encode(encoded, hash, sizeof(hash));
	return strlen(code_challenge) == sizeof(encoded) &&
		sodium_memcmp(encoded, code_challenge, sizeof(encoded)) == 0;
}

/*
 * The user is locked before its code, as everywhere.  That the code was there
 * says nothing until it has been taken away, by one of several exchanges.
 */
void
authorization_code_exchange(const Client *client, const char *text, const char *redirect_uri,
							const char *code_verifier, TimestampTz now,
							TokenResponse *response)
{
	uint8		hash[crypto_hash_sha256_BYTES];
	pg_uuid_t	user_id;
	AuthorizationCode code;
	User		user;

	client_require_first_party(client);
	if (!consists_of(code_verifier, UNRESERVED, VERIFIER_MIN_LENGTH, VERIFIER_MAX_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid PKCE code verifier"),
				 errdetail("It must be 43 to 128 letters, digits or -._~.")));
	user_id = code_user_id(text);
	crypto_hash_sha256(hash, (const uint8 *) text, strlen(text));
	if (!authorization_code_find(&user_id, hash, &code) || code.expires_at <= now ||
		strcmp(code.client_id, client->client_id) != 0 ||
		!verifier_matches(code_verifier, code.code_challenge))
		raise_invalid_authorization_code();
	if (strcmp(code.redirect_uri, redirect_uri) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid redirect URI"),
				 errdetail("It is not the one that the code was issued for.")));

	/* The URI may have been removed since, because it had fallen into other hands. */
	client_require_redirect_uri(client, redirect_uri);
	if (!user_log_in(&code.user_id, now, &user))
		raise_user_disabled();
	if (!authorization_code_take(&user_id, hash))
		raise_invalid_authorization_code();
	session_start(client, &user, NULL, code.nonce, code.authenticated_at, now, response);
}
