/*-------------------------------------------------------------------------
 *
 * dpop_proof.c
 *	  DPoP proofs (RFC 9449, section 4.3).
 *
 * Cheap checks come first: anybody can send a proof, and a signature takes time.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <sodium.h>

#include "base/limits.h"
#include "jose/base64url.h"
#include "jose/jwa.h"
#include "token/dpop_proof.h"
#include "uri/uri_target.h"

#define HASH_TEXT_LENGTH	BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES)

bool
dpop_is_thumbprint(const char *text)
{
	uint8_t		bytes[JOSE_THUMBPRINT_LENGTH];
	size_t		length = sizeof(bytes);

	return strlen(text) == HASH_TEXT_LENGTH &&
		base64url_decode(bytes, &length, text, strlen(text)) == JOSE_OK &&
		length == sizeof(bytes);
}

/* Return whether a JWK has a member of a private or symmetric key. */
static bool
is_private(const JoseJwk *jwk)
{
	return jwk->d.data != NULL || jwk->p.data != NULL || jwk->q.data != NULL ||
		jwk->dp.data != NULL || jwk->dq.data != NULL || jwk->qi.data != NULL ||
		jwk->k.data != NULL;
}

static const char *
header_problem(const DpopProof *proof)
{
	JoseAlg		alg = jose_alg_by_name(proof->alg);

	if (!span_equals(proof->typ, "dpop+jwt"))
		return "The \"typ\" of the proof must be dpop+jwt.";
	if (proof->has_crit)
		return "The proof has critical header parameters (crit).";
	if (proof->alg.data == NULL || !jose_alg_is_for(alg, JOSE_USE_PROOFS))
		return "The \"alg\" of the proof is not among those that the server supports.";
	if (proof->jwk.kty.data == NULL)
		return "The header of the proof has no public key (jwk).";
	if (is_private(&proof->jwk))
		return "The \"jwk\" of the proof has a private part, which must never leave the device.";
	if (proof->jwk_alg.data != NULL && jose_alg_by_name(proof->jwk_alg) != alg)
		return "The \"alg\" of the \"jwk\" is not that of the proof.";
	return NULL;
}

/* Copy a span to a C string.  Return false if it is longer than the buffer or has a NUL. */
static bool
copy_string(Span span, char *string, size_t size)
{
	if (span.data == NULL || span.length >= size || memchr(span.data, '\0', span.length) != NULL)
		return false;
	memcpy(string, span.data, span.length);
	string[span.length] = '\0';
	return true;
}

static bool
is_for_uri(Span htu, const char *uri)
{
	char		text[URI_MAX_LENGTH + 1];

	return copy_string(htu, text, sizeof(text)) && uri_is_same_target(text, uri);
}

static const char *
time_problem(const DpopProof *proof, int64_t now)
{
	if (proof->iat.seconds < now - DPOP_PROOF_SECONDS)
		return "The proof has expired (iat).";
	if (proof->iat.seconds > now + CLOCK_SKEW_SECONDS)
		return "The proof was made in the future (iat).";
	if (proof->exp.present && proof->exp.seconds <= now - CLOCK_SKEW_SECONDS)
		return "The proof has expired (exp).";
	if (proof->nbf.present && proof->nbf.seconds > now + CLOCK_SKEW_SECONDS)
		return "The proof is not valid yet (nbf).";
	return NULL;
}

/* Return whether ath is the hash of an access token (RFC 9449, section 4.2). */
static bool
is_for_token(Span ath, Span access_token)
{
	uint8_t		hash[crypto_hash_sha256_BYTES];
	char		text[HASH_TEXT_LENGTH];

	if (ath.data == NULL || ath.length != sizeof(text))
		return false;
	crypto_hash_sha256(hash, (const uint8_t *) access_token.data, access_token.length);
	base64url_encode(text, hash, sizeof(hash));
	return sodium_memcmp(text, ath.data, sizeof(text)) == 0;
}

static const char *
payload_problem(const DpopProof *proof, const DpopTarget *target)
{
	if (proof->jti.data == NULL || proof->jti.length == 0)
		return "The proof has no identifier (jti).";
	if (proof->jti.length > DPOP_JTI_MAX_LENGTH)
		return "The identifier (jti) of the proof is too long.";
	if (!proof->iat.present)
		return "The proof has no time (iat).";
	if (!span_equals(proof->htm, target->method))
		return "The method (htm) of the proof is not that of the request.";
	if (!is_for_uri(proof->htu, target->uri))
		return "The URI (htu) of the proof is not that of the request.";
	if (target->access_token.data != NULL && !is_for_token(proof->ath, target->access_token))
		return "The proof is not for this access token (ath).";
	return target->ignore_times ? NULL : time_problem(proof, target->now);
}

/* Check the signature with a key that was imported. */
static const char *
signature_problem(const DpopProof *proof, const JoseKey *key,
				  uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH])
{
	JoseAlg		alg = jose_alg_by_name(proof->alg);
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);

	if (!jose_key_allows(key, alg))
		return "The \"alg\" of the proof does not fit its \"jwk\".";
	if (base64url_decode(signature, &length, proof->parts.signature.data,
						 proof->parts.signature.length) != JOSE_OK ||
		jose_verify(key, alg, (const uint8_t *) proof->parts.signing_input.data,
					proof->parts.signing_input.length, signature, length) != JOSE_OK ||
		jose_key_thumbprint(key, thumbprint) != JOSE_OK)
		return "The signature of the proof does not match its \"jwk\".";
	return NULL;
}

const char *
dpop_proof_problem(const DpopProof *proof, const DpopTarget *target,
				   uint8_t thumbprint[JOSE_THUMBPRINT_LENGTH])
{
	JoseKey    *key;
	const char *problem = header_problem(proof);

	if (problem == NULL)
		problem = payload_problem(proof, target);
	if (problem != NULL)
		return problem;
	if (jose_key_import(&proof->jwk, &key) != JOSE_OK)
		return "The \"jwk\" of the proof is malformed, unsupported or too weak.";
	problem = signature_problem(proof, key, thumbprint);
	jose_key_free(key);
	return problem;
}
