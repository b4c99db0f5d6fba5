/*-------------------------------------------------------------------------
 *
 * authenticator_data.c
 *	  What an authenticator says and signs, and the object that contains it at a
 *	  registration.
 *
 *-------------------------------------------------------------------------
 */
#include "webauthn/authenticator_data.h"

#include <string.h>

#include "base/limits.h"

/* Hash of the RP ID, flags, counter. */
#define FIXED_LENGTH	(RP_ID_HASH_LENGTH + 1 + 4)
#define AAGUID_LENGTH	16

/* Take bytes from the beginning of the rest.  False if it is shorter. */
static bool
take_bytes(StrictCborReader *reader, size_t length, const uint8_t **bytes)
{
	if (reader->left < length)
		return false;
	*bytes = reader->next;
	reader->next += length;
	reader->left -= length;
	return true;
}

/* The AAGUID names a model of authenticators.  Without attestation, it proves nothing. */
static WebauthnStatus
read_credential(StrictCborReader *reader, AuthenticatorData *data)
{
	const uint8_t *head;
	const uint8_t *id;

	if (!take_bytes(reader, AAGUID_LENGTH + 2, &head))
		return WEBAUTHN_MALFORMED;
	data->credential_id.length = (size_t) head[AAGUID_LENGTH] << 8 | head[AAGUID_LENGTH + 1];
	if (data->credential_id.length == 0 ||
		data->credential_id.length > CREDENTIAL_ID_MAX_LENGTH ||
		!take_bytes(reader, data->credential_id.length, &id))
		return WEBAUTHN_MALFORMED;
	data->credential_id.data = (const char *) id;
	switch (cose_key_read(reader, &data->key))
	{
		case COSE_OK:
			return WEBAUTHN_OK;
		case COSE_UNSUPPORTED:
			return WEBAUTHN_UNSUPPORTED;
		default:
			return WEBAUTHN_MALFORMED;
	}
}

WebauthnStatus
authenticator_data_read(Span text, AuthenticatorData *data)
{
	StrictCborReader reader = {(const uint8_t *) text.data, text.length};
	const uint8_t *fixed;
	WebauthnStatus status;

	memset(data, 0, sizeof(AuthenticatorData));
	if (text.data == NULL || !take_bytes(&reader, FIXED_LENGTH, &fixed))
		return WEBAUTHN_MALFORMED;
	data->rp_id_hash = fixed;
	data->flags = fixed[RP_ID_HASH_LENGTH];
	data->sign_count = (uint32_t) fixed[RP_ID_HASH_LENGTH + 1] << 24 |
		(uint32_t) fixed[RP_ID_HASH_LENGTH + 2] << 16 |
		(uint32_t) fixed[RP_ID_HASH_LENGTH + 3] << 8 | fixed[RP_ID_HASH_LENGTH + 4];
	if (data->flags & AUTHENTICATOR_HAS_CREDENTIAL)
	{
		status = read_credential(&reader, data);
		if (status != WEBAUTHN_OK)
			return status;
	}
	if (data->flags & AUTHENTICATOR_HAS_EXTENSIONS)
	{
		StrictCborReader extensions = reader;
		StrictCborItem map;

		if (!strict_cbor_skip(&reader) || !strict_cbor_read(&extensions, &map) ||
			map.type != STRICT_CBOR_MAP)
			return WEBAUTHN_MALFORMED;
	}
	return reader.left == 0 ? WEBAUTHN_OK : WEBAUTHN_MALFORMED;
}

/* Read the next key of the map, which must be this text. */
static bool
read_name(StrictCborReader *reader, StrictCborKeys *keys, const char *name)
{
	StrictCborItem key;

	return strict_cbor_read_key(reader, keys, &key) && key.type == STRICT_CBOR_TEXT &&
		span_equals(key.bytes, name);
}

/* The order of the keys is the canonical one: by length. */
WebauthnStatus
attestation_object_read(Span text, Span *data)
{
	StrictCborReader reader = {(const uint8_t *) text.data, text.length};
	StrictCborReader whole = reader;
	StrictCborReader statement;
	StrictCborKeys keys = {{0}};
	StrictCborItem map;
	StrictCborItem format;
	StrictCborItem item;

	if (text.data == NULL || !strict_cbor_skip(&whole) || whole.left != 0 ||
		!strict_cbor_read(&reader, &map) || map.type != STRICT_CBOR_MAP || map.number != 3 ||
		!read_name(&reader, &keys, "fmt") || !strict_cbor_read(&reader, &format) ||
		format.type != STRICT_CBOR_TEXT || !read_name(&reader, &keys, "attStmt"))
		return WEBAUTHN_MALFORMED;
	statement = reader;
	if (!strict_cbor_read(&statement, &item) || !strict_cbor_skip(&reader) ||
		(item.type != STRICT_CBOR_MAP && item.type != STRICT_CBOR_ARRAY) ||
		(span_equals(format.bytes, "none") &&
		 (item.type != STRICT_CBOR_MAP || item.number != 0)))
		return WEBAUTHN_MALFORMED;
	if (!read_name(&reader, &keys, "authData") || !strict_cbor_read(&reader, &item) ||
		item.type != STRICT_CBOR_BYTES)
		return WEBAUTHN_MALFORMED;
	*data = item.bytes;
	return WEBAUTHN_OK;
}
