/*-------------------------------------------------------------------------
 *
 * form_owner.c
 *	  For which user a form was made: a MAC of the user's id, keyed BLAKE2b.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/wipe.h"
#include "domain/form_owner.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "keyring/master_key.h"
#include "token/token.h"

#define TAG_LENGTH			crypto_generichash_BYTES

static void
make_tag(uint8 *tag, const pg_uuid_t *user_id, const uint8 *key)
{
	crypto_generichash(tag, TAG_LENGTH, user_id->data, UUID_LEN, key, TOKEN_KEY_LENGTH);
}

char *
form_owner_write(const pg_uuid_t *user_id)
{
	uint8		tag[TAG_LENGTH];
	char	   *text = palloc(BASE64URL_ENCODED_LENGTH(TAG_LENGTH) + 1);

	make_tag(tag, user_id, master_key_derived(MASTER_KEY_FORM_OWNER, 0));
	text[base64url_encode(text, tag, TAG_LENGTH)] = '\0';
	return text;
}

bool
form_owner_is(const char *text, const pg_uuid_t *user_id)
{
	uint8		tag[TAG_LENGTH];
	uint8		expected[TAG_LENGTH];
	size_t		length = TAG_LENGTH;
	const uint8 *key;
	bool		found = false;
	int			i;

	if (text == NULL ||
		base64url_decode(tag, &length, text, strlen(text)) != JOSE_OK || length != TAG_LENGTH)
		return false;
	for (i = 0; !found && (key = master_key_derived(MASTER_KEY_FORM_OWNER, i)) != NULL; i++)
	{
		make_tag(expected, user_id, key);
		found = sodium_memcmp(tag, expected, TAG_LENGTH) == 0;
		wipe_bytes(expected, sizeof(expected));
	}
	return found;
}
