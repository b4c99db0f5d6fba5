/*-------------------------------------------------------------------------
 *
 * jwk_members.c
 *	  Reading the members of a JWK, and writing those of a public one.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "jose/key_internal.h"

/*
 * Decodes a member a key cannot be without.  JOSE_TOO_LARGE is passed on, for
 * callers to say what too long a member means.
 */
JoseStatus
jwk_decode_member(Span span, uint8_t *dst, size_t *dst_length)
{
	JoseStatus	status;

	if (span.data == NULL)
		return JOSE_KEY_INCOMPLETE;
	status = base64url_decode(dst, dst_length, span.data, span.length);

	return status == JOSE_BAD_BASE64URL ? JOSE_KEY_MALFORMED : status;
}

/* The same for members of one possible size (RFC 7518 6.2.1.2, RFC 8037 2). */
JoseStatus
jwk_decode_member_exactly(Span span, uint8_t *dst, size_t width)
{
	size_t		length = width;
	JoseStatus	status = jwk_decode_member(span, dst, &length);

	if (status == JOSE_TOO_LARGE || (status == JOSE_OK && length != width))
		return JOSE_KEY_MALFORMED;
	return status;
}

static bool
reserve(JwkWriter *writer, size_t length)
{
	if (writer->overflow || length > writer->left)
	{
		writer->overflow = true;
		return false;
	}
	writer->left -= length;
	return true;
}

void
jwk_write_text(JwkWriter *writer, const char *text)
{
	size_t		length = strlen(text);

	if (reserve(writer, length))
	{
		memcpy(writer->next, text, length);
		writer->next += length;
	}
}

void
jwk_write_base64url(JwkWriter *writer, const uint8_t *src, size_t length)
{
	if (reserve(writer, BASE64URL_ENCODED_LENGTH(length)))
		writer->next += base64url_encode(writer->next, src, length);
}
