/*-------------------------------------------------------------------------
 *
 * authorization_request.c
 *	  An authorization request on its way through the browser (RFC 6749,
 *	  section 4.1.1).
 *
 * Nothing is stored while a guest fills in a form: the request travels in the
 * page's address, with a tag that shows that we wrote it.  The guest it stands
 * for can be promoted by no other browser: the request holds a hash of a
 * secret that this browser keeps in a cookie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "domain/authorization.h"
#include "domain/domain.h"
#include "json/json.h"
#include "keyring/master_key.h"

#define TAG_LENGTH	crypto_generichash_BYTES
#define MAX_TEXT	8192

static void
browser_hash(const char *browser, char text[BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES) + 1])
{
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8 *) browser, strlen(browser));
	text[base64url_encode(text, hash, sizeof(hash))] = '\0';
}

static void
add_optional(StringInfo json, const char *name, const char *value)
{
	if (value != NULL)
		json_add_string(json, name, value);
}

char *
authorization_request_write(const AuthorizationRequest *request)
{
	char		browser[BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES) + 1];
	uint8		tag[TAG_LENGTH];
	StringInfoData json;
	char	   *text;
	size_t		length;

	browser_hash(request->browser, browser);
	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "client_id", request->client_id);
	json_add_string(&json, "redirect_uri", request->redirect_uri);
	json_add_boolean(&json, "code", request->wants_code);
	add_optional(&json, "state", request->state);
	add_optional(&json, "code_challenge", request->code_challenge);
	add_optional(&json, "nonce", request->nonce);
	add_optional(&json, "ui_locales", request->ui_locales);
	if (request->has_guest)
		json_add_uuid(&json, "sub", &request->ticket.user_id);
	if (request->has_guest && request->ticket.by_session)
		json_add_uuid(&json, "sid", &request->ticket.session_id);
	json_add_string(&json, "browser", browser);
	json_add_integer(&json, "exp", unix_seconds(request->expires_at));
	json_close(&json);

	crypto_generichash(tag, TAG_LENGTH, (uint8 *) json.data, json.len,
					   master_key_derived(MASTER_KEY_AUTHORIZATION_REQUEST, 0), TOKEN_KEY_LENGTH);
	text = palloc(BASE64URL_ENCODED_LENGTH(json.len) + 1 + BASE64URL_ENCODED_LENGTH(TAG_LENGTH) + 1);
	length = base64url_encode(text, (uint8 *) json.data, json.len);
	text[length++] = '.';
	length += base64url_encode(text + length, tag, TAG_LENGTH);
	text[length] = '\0';
	return text;
}

/* The JSON that a key of ours has made the tag of, or NULL. */
static Jsonb *
open_text(const char *text)
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

	if (dot == NULL || strlen(text) > MAX_TEXT ||
		base64url_decode(tag, &tag_length, dot + 1, strlen(dot + 1)) != JOSE_OK ||
		tag_length != TAG_LENGTH)
		return NULL;
	length = dot - text;
	json = palloc(length);
	if (base64url_decode(json, &length, text, dot - text) != JOSE_OK)
		return NULL;
	for (i = 0; !authentic && (key = master_key_derived(MASTER_KEY_AUTHORIZATION_REQUEST, i)) != NULL; i++)
	{
		crypto_generichash(expected, TAG_LENGTH, json, length, key, TOKEN_KEY_LENGTH);
		authentic = sodium_memcmp(tag, expected, TAG_LENGTH) == 0;
		sodium_memzero(expected, sizeof(expected));
	}
	return authentic ? json_parse_object((char *) json, length, &reason) : NULL;
}

bool
authorization_request_read(const char *text, const char *browser, TimestampTz now,
						   AuthorizationRequest *request)
{
	char		hash[BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES) + 1];
	Jsonb	   *json = open_text(text);
	Span	uuid;
	int64		expires_at;

	if (json == NULL || browser == NULL)
		return false;
	browser_hash(browser, hash);
	if (!json_string_equals(json, "browser", hash) ||
		!json_numeric_date(json, "exp", &expires_at) || expires_at <= unix_seconds(now))
		return false;

	memset(request, 0, sizeof(AuthorizationRequest));
	request->client_id = json_cstring(json, "client_id");
	request->redirect_uri = json_cstring(json, "redirect_uri");
	request->wants_code = json_boolean(json, "code");
	request->state = json_cstring(json, "state");
	request->code_challenge = json_cstring(json, "code_challenge");
	request->nonce = json_cstring(json, "nonce");
	request->ui_locales = json_cstring(json, "ui_locales");
	request->browser = pstrdup(browser);
	request->ticket.by_session = json_string(json, "sid", &uuid) &&
		uuid_from_text(uuid.data, uuid.length, &request->ticket.session_id);
	request->has_guest = json_string(json, "sub", &uuid) &&
		uuid_from_text(uuid.data, uuid.length, &request->ticket.user_id);
	return true;
}
