/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  The hash functions of OpenSSL that the algorithms use.
 *
 *-------------------------------------------------------------------------
 */
#include "jose/hash.h"

static const struct
{
	const char *name;
	size_t		length;
}			hashes[JOSE_HASHES] = {
	[JOSE_SHA256] = {"SHA256", 32},
	[JOSE_SHA384] = {"SHA384", 48},
	[JOSE_SHA512] = {"SHA512", 64}
};

/*
 * EVP_MD_fetch() searches all providers, so each hash is fetched once.  If two
 * threads did that at the same time, one reference would leak and nothing else
 * would happen.
 */
const EVP_MD *
jose_hash_md(JoseHash hash)
{
	static EVP_MD *fetched[JOSE_HASHES];

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
