/*-------------------------------------------------------------------------
 *
 * jwa.c
 *	  The algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1), the hashes
 *	  they use, and the wording of statuses.
 *
 *-------------------------------------------------------------------------
 */
#include "jose/key_internal.h"

static const JoseAlgInfo algorithms[] = {
	[JOSE_ALG_HS256] = {"HS256", JOSE_KEY_OCT, JOSE_SHA256, false},
	[JOSE_ALG_HS384] = {"HS384", JOSE_KEY_OCT, JOSE_SHA384, false},
	[JOSE_ALG_HS512] = {"HS512", JOSE_KEY_OCT, JOSE_SHA512, false},
	[JOSE_ALG_RS256] = {"RS256", JOSE_KEY_RSA, JOSE_SHA256, false},
	[JOSE_ALG_RS384] = {"RS384", JOSE_KEY_RSA, JOSE_SHA384, false},
	[JOSE_ALG_RS512] = {"RS512", JOSE_KEY_RSA, JOSE_SHA512, false},
	[JOSE_ALG_PS256] = {"PS256", JOSE_KEY_RSA, JOSE_SHA256, true},
	[JOSE_ALG_PS384] = {"PS384", JOSE_KEY_RSA, JOSE_SHA384, true},
	[JOSE_ALG_PS512] = {"PS512", JOSE_KEY_RSA, JOSE_SHA512, true},
	[JOSE_ALG_ES256] = {"ES256", JOSE_KEY_EC, JOSE_SHA256, false},
	[JOSE_ALG_ES384] = {"ES384", JOSE_KEY_EC, JOSE_SHA384, false},
	[JOSE_ALG_ES512] = {"ES512", JOSE_KEY_EC, JOSE_SHA512, false},
	/* Ed25519 hashes by itself: the hash here is never used. */
	[JOSE_ALG_EDDSA] = {"EdDSA", JOSE_KEY_OKP, JOSE_SHA512, false}
};

#define ALGORITHM_COUNT (sizeof(algorithms) / sizeof(algorithms[0]))

static const struct
{
	const char *name;
	size_t		length;
}			hashes[JOSE_HASH_COUNT] = {
	[JOSE_SHA256] = {"SHA256", 32},
	[JOSE_SHA384] = {"SHA384", 48},
	[JOSE_SHA512] = {"SHA512", 64}
};

static const char *const status_messages[] = {
	[JOSE_OK] = "no error",
	[JOSE_BAD_BASE64URL] = "the text is not valid unpadded base64url",
	[JOSE_BAD_FORMAT] = "the token does not have three dot-separated parts",
	[JOSE_TOO_LARGE] = "the data is too long",
	[JOSE_KEY_UNSUPPORTED] = "the key type or curve is not supported",
	[JOSE_KEY_INCOMPLETE] = "the key lacks a required member",
	[JOSE_KEY_MALFORMED] = "a member of the key has a wrong encoding or size",
	[JOSE_KEY_WEAK] = "the key is too weak or of an unacceptable size",
	[JOSE_KEY_OFF_CURVE] = "the key is not a point on its curve",
	[JOSE_KEY_MISMATCH] = "the private part of the key does not belong to its public part",
	[JOSE_KEY_NOT_PRIVATE] = "the key has no private part",
	[JOSE_ALG_UNSUPPORTED] = "the algorithm is not supported",
	[JOSE_ALG_MISMATCH] = "the algorithm does not fit the key",
	[JOSE_BAD_SIGNATURE] = "the signature does not match",
	[JOSE_FAILURE] = "the cryptographic library failed"
};

const char *
jose_status_message(JoseStatus status)
{
	size_t		i = (size_t) status;

	if (i >= sizeof(status_messages) / sizeof(status_messages[0]))
		return "unknown status";
	return status_messages[i];
}

const JoseAlgInfo *
jose_alg_info(JoseAlg alg)
{
	size_t		i = (size_t) alg;

	if (i >= ALGORITHM_COUNT || algorithms[i].name == NULL)
		return NULL;
	return &algorithms[i];
}

JoseAlg
jose_alg_by_name(Span name)
{
	size_t		i;

	for (i = JOSE_ALG_UNKNOWN + 1; i < ALGORITHM_COUNT; i++)
	{
		if (span_equals(name, algorithms[i].name))
			return (JoseAlg) i;
	}
	return JOSE_ALG_UNKNOWN;
}

bool
jose_alg_is_symmetric(JoseAlg alg)
{
	return alg != JOSE_ALG_UNKNOWN && algorithms[alg].key_type == JOSE_KEY_OCT;
}

const char *
jose_alg_name(JoseAlg alg)
{
	const JoseAlgInfo *info = jose_alg_info(alg);

	return info != NULL ? info->name : "unknown";
}

/*
 * Fetched at first use and kept for the life of the process.  Should two
 * threads race here, one reference is lost and nothing else happens.
 */
const EVP_MD *
jose_hash_md(JoseHash hash)
{
	static EVP_MD *fetched[JOSE_HASH_COUNT];

	if (fetched[hash] == NULL)
		fetched[hash] = EVP_MD_fetch(NULL, hashes[hash].name, NULL);
	return fetched[hash];
}

const char *
jose_hash_name(JoseHash hash)
{
	return hashes[hash].name;
}

size_t
jose_hash_length(JoseHash hash)
{
	return hashes[hash].length;
}
