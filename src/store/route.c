/*-------------------------------------------------------------------------
 *
 * route.c
 *	  Routing keys of rows that are not found by their user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "store/route.h"

pg_uuid_t
route_of_hash(const uint8 *hash)
{
	pg_uuid_t	route;

	memcpy(route.data, hash, UUID_LEN);
	return route;
}

pg_uuid_t
route_of_text(const char *text)
{
	uint8_t		digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(digest, (const unsigned char *) text, strlen(text));
	return route_of_hash(digest);
}
