/*-------------------------------------------------------------------------
 *
 * jws.c
 *	  The compact serialization of a JWS, and signing and verifying its
 *	  signing input (RFC 7515).
 *
 *-------------------------------------------------------------------------
 */
#include "jose/jws.h"

#include <string.h>

#include <openssl/err.h>

#include "jose/base64url.h"
#include "jose/key_methods.h"

/*
 * Check the length modulo 4, and that the unused bits of the last character are
 * zero: 4 bits after two characters, 2 bits after three.
 */
static bool
ends_canonically(Span part)
{
	const char *last;

	switch (part.length % 4)
	{
		case 0:
			return true;
		case 2:
			last = "AQgw";
			break;
		case 3:
			last = "AEIMQUYcgkosw048";
			break;
		default:
			return false;
	}
	return strchr(last, part.data[part.length - 1]) != NULL;
}

static bool
is_base64url(Span part)
{
	return base64url_alphabet_only(part.data, part.length) && ends_canonically(part);
}

/*
 * An empty payload is a valid JWS.  No algorithm makes an empty signature: it
 * means that somebody has removed the signature, so it is refused here.
 */
JoseStatus
jose_compact_parts(const char *token, size_t length, JoseCompact *parts)
{
	const char *end = token + length;
	const char *first;
	const char *second;

	memset(parts, 0, sizeof(*parts));
	if (length > JOSE_MAX_TOKEN_LENGTH)
		return JOSE_TOO_LARGE;
	if (length == 0)
		return JOSE_BAD_FORMAT;

	first = memchr(token, '.', length);
	if (first == NULL)
		return JOSE_BAD_FORMAT;
	second = memchr(first + 1, '.', (size_t) (end - first - 1));
	if (second == NULL || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
		return JOSE_BAD_FORMAT;
	if (first == token || second + 1 == end)
		return JOSE_BAD_FORMAT;

	parts->header = (Span) {token, (size_t) (first - token)};
	parts->payload = (Span) {first + 1, (size_t) (second - first - 1)};
	parts->signature = (Span) {second + 1, (size_t) (end - second - 1)};
	parts->signing_input = (Span) {token, (size_t) (second - token)};
	return JOSE_OK;
}

JoseStatus
jose_compact_split(const char *token, size_t length, JoseCompact *parts)
{
	JoseStatus	status = jose_compact_parts(token, length, parts);

	if (status == JOSE_OK &&
		(!is_base64url(parts->header) || !is_base64url(parts->payload) ||
		 !is_base64url(parts->signature)))
	{
		memset(parts, 0, sizeof(*parts));
		return JOSE_BAD_BASE64URL;
	}
	return status;
}

/*
 * The one check against algorithm confusion (RFC 8725 section 3.1): the key, not
 * the token, decides which algorithms may be used with it.
 */
static JoseStatus
check_alg(const JoseKey *key, JoseAlg alg)
{
	if (jose_alg_info(alg) == NULL)
		return JOSE_ALG_UNSUPPORTED;
	if (!jose_key_allows(key, alg))
		return JOSE_ALG_MISMATCH;
	return JOSE_OK;
}

JoseStatus
jose_sign(const JoseKey *key, JoseAlg alg, const uint8_t *input, size_t input_length,
		  uint8_t *signature, size_t *signature_length)
{
	JoseStatus	status = check_alg(key, alg);

	if (status == JOSE_OK && !key->can_sign)
		status = JOSE_KEY_NOT_PRIVATE;
	if (status == JOSE_OK)
		status = key->methods->sign(key, jose_alg_info(alg), input, input_length,
									signature, signature_length);
	if (status != JOSE_OK)
	{
		*signature_length = 0;
		ERR_clear_error();
	}
	return status;
}

JoseStatus
jose_verify(const JoseKey *key, JoseAlg alg, const uint8_t *input, size_t input_length,
			const uint8_t *signature, size_t signature_length)
{
	JoseStatus	status = check_alg(key, alg);

	if (status == JOSE_OK)
		status = key->methods->verify(key, jose_alg_info(alg), input, input_length,
									  signature, signature_length);
	if (status != JOSE_OK)
		ERR_clear_error();
	return status;
}
