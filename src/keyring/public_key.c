/*-------------------------------------------------------------------------
 *
 * public_key.c
 *	  Keys of others that are given as a JWK: of devices, and of jws_verify().
 *
 * The keys parsed last are cached in this backend, because a service that verifies
 * many tokens uses few keys.  A JWK can contain a private part or a secret, so
 * cached ones are wiped when they leave the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/wipe.h"
#include "jose/base64url.h"
#include "jose/jws.h"
#include "json/json_read.h"
#include "json/jwk.h"
#include "keyring/jose_check.h"
#include "keyring/public_key.h"
#include "utils/memutils.h"

#define CACHE_SIZE	16

static struct
{
	Jsonb	   *jwk;			/* in TopMemoryContext; NULL: free */
	JoseKey    *key;
}			cache[CACHE_SIZE];
static int	next_victim = 0;

static bool
key_ops_allow_verify(const JsonbValue *key_ops)
{
	return key_ops->type == jbvBinary &&
		json_string_or_array_contains(key_ops, "verify");
}

static const char *
usage_problem(const Jsonb *jwk)
{
	const JsonbValue *key_ops = json_member(jwk, "key_ops");

	if (json_member(jwk, "use") != NULL && !json_string_equals(jwk, "use", "sig"))
		return "the JWK is not meant for signatures";
	if (key_ops != NULL && !key_ops_allow_verify(key_ops))
		return "the JWK is not meant for verifying";
	return NULL;
}

const JoseKey *
public_key_get(Jsonb *jwk, const char **reason)
{
	JoseJwk		members;
	JoseKey    *key;
	Jsonb	   *copy;
	JoseStatus	status;
	int			i;

	for (i = 0; i < CACHE_SIZE; i++)
		if (cache[i].jwk != NULL && VARSIZE(cache[i].jwk) == VARSIZE(jwk) &&
			memcmp(cache[i].jwk, jwk, VARSIZE(jwk)) == 0)
			return cache[i].key;

	*reason = VARSIZE(jwk) > JWK_MAX_LENGTH ? "the JWK is too large" : jwk_from_jsonb(jwk, &members);
	if (*reason == NULL)
		*reason = usage_problem(jwk);
	if (*reason != NULL)
		return NULL;

	copy = MemoryContextAlloc(TopMemoryContext, VARSIZE(jwk));
	memcpy(copy, jwk, VARSIZE(jwk));
	status = jose_key_import(&members, &key);
	if (status != JOSE_OK)
	{
		pfree(copy);
		*reason = jose_status_message(status);
		return NULL;
	}

	i = next_victim;
	next_victim = (next_victim + 1) % CACHE_SIZE;
	if (cache[i].jwk != NULL)
	{
		wipe_bytes(cache[i].jwk, VARSIZE(cache[i].jwk));
		pfree(cache[i].jwk);
	}
	jose_key_free(cache[i].key);
	cache[i].jwk = copy;
	cache[i].key = key;
	return key;
}

JoseStatus
public_key_verify(const JoseKey *key, Jsonb *jwk, JoseAlg alg, const JoseCompact *parts)
{
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);

	if (!jwk_is_for_alg(jwk, alg))
		return JOSE_ALG_MISMATCH;
	if (BASE64URL_DECODED_MAX(parts->signature.length) > sizeof(signature) + 3)
		return JOSE_BAD_SIGNATURE;
	if (base64url_decode(signature, &length, parts->signature.data,
						 parts->signature.length) != JOSE_OK)
		return JOSE_BAD_BASE64URL;
	return jose_verify(key, alg, (const uint8_t *) parts->signing_input.data,
					   parts->signing_input.length, signature, length);
}

char *
public_key_thumbprint(Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key = public_key_get(jwk, &reason);
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(JOSE_THUMBPRINT_LENGTH) + 1);

	if (key == NULL)
		elog(ERROR, "the JWK was accepted before and is refused now");
	jose_check_internal(jose_key_thumbprint(key, thumbprint));
	base64url_encode(text, thumbprint, sizeof(thumbprint));
	return text;
}
