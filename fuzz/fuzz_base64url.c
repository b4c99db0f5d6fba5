/*-------------------------------------------------------------------------
 *
 * fuzz_base64url.c
 *	  The input is text that may be base64url, and also bytes to be encoded.
 *
 * Properties: an accepted text is the only encoding of its bytes; decoding
 * reverses encoding; nothing is written beyond the end of a small buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		room = BASE64URL_DECODED_MAX(size);
	uint8_t    *bytes = malloc(room);
	char	   *text = malloc(BASE64URL_ENCODED_LENGTH(room) + 1);
	size_t		length = room;

	if (base64url_decode(bytes, &length, (const char *) data, size) == JOSE_OK)
	{
		size_t		exact = length;
		uint8_t    *tight = malloc(length + 1);

		MUST(length <= room);
		MUST(base64url_encode(text, bytes, length) == size);
		MUST(memcmp(text, data, size) == 0);

		MUST(base64url_decode(tight, &exact, (const char *) data, size) == JOSE_OK);
		if (length > 0)
		{
			uint8_t    *small = malloc(length);

			exact = length - 1;
			MUST(base64url_decode(small, &exact, (const char *) data, size) == JOSE_TOO_LARGE);
			MUST(exact == 0);
			free(small);
		}
		free(tight);
	}
	else
		MUST(length == 0);
	free(text);
	free(bytes);

	text = malloc(BASE64URL_ENCODED_LENGTH(size) + 1);
	length = base64url_encode(text, data, size);
	MUST(length == BASE64URL_ENCODED_LENGTH(size));
	bytes = malloc(BASE64URL_DECODED_MAX(length));
	room = BASE64URL_DECODED_MAX(length);
	MUST(base64url_decode(bytes, &room, text, length) == JOSE_OK);
	MUST(room == size && memcmp(bytes, data, size) == 0);
	free(text);
	free(bytes);
	return 0;
}
