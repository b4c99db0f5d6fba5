/*-------------------------------------------------------------------------
 *
 * authenticated_json.c
 *	  JSON objects of ours that travel in the address of a page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/wipe.h"
#include "domain/authenticated_json.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "json/json_parse.h"
#include "token/token.h"

/* Bytes of the MAC: keyed BLAKE2b. */
#define TAG_LENGTH			crypto_generichash_BYTES

char *
authenticated_json_write(MasterKeyUse use, const StringInfoData *json)
{
	uint8		tag[TAG_LENGTH];
	char	   *text = palloc(BASE64URL_ENCODED_LENGTH(json->len) + 1 +
							  BASE64URL_ENCODED_LENGTH(TAG_LENGTH) + 1);
	size_t		length;

	crypto_generichash(tag, TAG_LENGTH, (uint8 *) json->data, json->len,
					   master_key_derived(use, 0), TOKEN_KEY_LENGTH);
	length = base64url_encode(text, (uint8 *) json->data, json->len);
	text[length++] = '.';
	length += base64url_encode(text + length, tag, TAG_LENGTH);
	text[length] = '\0';
	return text;
}

Jsonb *
authenticated_json_read(MasterKeyUse use, const char *text)
{
	const char *dot = strchr(text, '.');
	uint8		tag[TAG_LENGTH];
	uint8		expected[TAG_LENGTH];
	size_t		tag_length = TAG_LENGTH;
	uint8	   *json;
	size_t		length;
	const uint8 *key;
	const char *reason;
	bool		authentic = false;
	int			i;

	if (dot == NULL || strlen(text) > AUTHORIZATION_REQUEST_MAX_LENGTH ||
		base64url_decode(tag, &tag_length, dot + 1, strlen(dot + 1)) != JOSE_OK ||
		tag_length != TAG_LENGTH)
		return NULL;
	length = dot - text;
	json = palloc(length);
	if (base64url_decode(json, &length, text, dot - text) != JOSE_OK)
		return NULL;
	for (i = 0; !authentic && (key = master_key_derived(use, i)) != NULL; i++)
	{
		crypto_generichash(expected, TAG_LENGTH, json, length, key, TOKEN_KEY_LENGTH);
		authentic = sodium_memcmp(tag, expected, TAG_LENGTH) == 0;
		wipe_bytes(expected, sizeof(expected));
	}
	return authentic ? json_parse_object((char *) json, length, &reason) : NULL;
}
