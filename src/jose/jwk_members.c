/*-------------------------------------------------------------------------
 *
 * jwk_members.c
 *	  The members of a JWK: reading them, and writing those of a public key.
 *
 *-------------------------------------------------------------------------
 */
#include "jose/jwk_members.h"

#include <string.h>

#include "jose/base64url.h"

JoseStatus
jwk_decode_member(Span member, uint8_t *dst, size_t *dst_length)
{
	JoseStatus	status;

	if (member.data == NULL)
		return JOSE_KEY_INCOMPLETE;
	status = base64url_decode(dst, dst_length, member.data, member.length);

	return status == JOSE_BAD_BASE64URL ? JOSE_KEY_MALFORMED : status;
}

JoseStatus
jwk_decode_member_exactly(Span member, uint8_t *dst, size_t length)
{
	size_t		decoded = length;
	JoseStatus	status = jwk_decode_member(member, dst, &decoded);

	if (status == JOSE_TOO_LARGE || (status == JOSE_OK && decoded != length))
		return JOSE_KEY_MALFORMED;
	return status;
}

static bool
take_room(JwkWriter *writer, size_t length)
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

	if (take_room(writer, length))
	{
		memcpy(writer->next, text, length);
		writer->next += length;
	}
}

void
jwk_write_base64url(JwkWriter *writer, const uint8_t *src, size_t length)
{
	if (take_room(writer, BASE64URL_ENCODED_LENGTH(length)))
		writer->next += base64url_encode(writer->next, src, length);
}
