/*-------------------------------------------------------------------------
 *
 * fuzz_compact.c
 *	  The input is text that may be a compact JWS.
 *
 * Properties: the three parts of an accepted text, joined again, are the text;
 * each part is canonical base64url; header and signature are not empty.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

static void
check_part(Span part)
{
	size_t		length = BASE64URL_DECODED_MAX(part.length);
	uint8_t    *bytes = malloc(length);
	char	   *text = malloc(part.length + 4);

	MUST(base64url_decode(bytes, &length, part.data, part.length) == JOSE_OK);
	MUST(base64url_encode(text, bytes, length) == part.length);
	MUST(memcmp(text, part.data, part.length) == 0);
	free(text);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *token = (const char *) data;
	JoseCompact parts;

	if (jose_compact_split(token, size, &parts) != JOSE_OK)
	{
		MUST(parts.header.data == NULL && parts.payload.data == NULL &&
			 parts.signature.data == NULL && parts.signing_input.data == NULL);
		return 0;
	}
	MUST(size <= JOSE_MAX_TOKEN_LENGTH);
	MUST(parts.header.length > 0 && parts.signature.length > 0);
	MUST(parts.header.data == token);
	MUST(parts.payload.data == token + parts.header.length + 1);
	MUST(parts.signature.data == parts.payload.data + parts.payload.length + 1);
	MUST(parts.signature.data + parts.signature.length == token + size);
	MUST(parts.signing_input.data == token);
	MUST(parts.signing_input.length == parts.header.length + 1 + parts.payload.length);
	MUST(parts.header.data[parts.header.length] == '.');
	MUST(parts.payload.data[parts.payload.length] == '.');
	check_part(parts.header);
	check_part(parts.payload);
	check_part(parts.signature);
	return 0;
}
