/*-------------------------------------------------------------------------
 *
 * jose_status.c
 *	  The wording of the statuses of src/jose.
 *
 * Callers put these clauses into the DETAIL of errors, so clients see them.
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>

#include "jose/jose_status.h"

static const char *const messages[] = {
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

	if (i >= sizeof(messages) / sizeof(messages[0]))
		return "unknown status";
	return messages[i];
}
