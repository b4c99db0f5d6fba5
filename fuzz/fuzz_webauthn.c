/*-------------------------------------------------------------------------
 *
 * fuzz_webauthn.c
 *	  The input is CBOR, the object of a registration, authenticator data, a key, or a
 *	  signature.
 *
 * Properties: an accepted item is the only encoding of what was read from it, so encoding
 * it again gives the same bytes.  No part of an accepted text, and no longer text, is
 * accepted.  All spans are in the input.  A key that is read can be written as a JWK.  No
 * signature is accepted.
 *
 *-------------------------------------------------------------------------
 */
#include <cbor.h>
#include <sodium.h>

#include "base/limits.h"
#include "fuzz.h"
#include "jose/key.h"
#include "webauthn/assertion.h"
#include "webauthn/authenticator_data.h"
#include "webauthn/cose_key.h"
#include "webauthn/strict_cbor.h"

/* The head of an item, as libcbor writes it. */
static size_t
write_head(const StrictCborItem *item, const uint8_t *first, uint8_t *out, size_t size)
{
	switch (item->type)
	{
		case STRICT_CBOR_UNSIGNED:
			return cbor_encode_uint(item->number, out, size);
		case STRICT_CBOR_NEGATIVE:
			return cbor_encode_negint(item->number, out, size);
		case STRICT_CBOR_BYTES:
			return cbor_encode_bytestring_start(item->number, out, size);
		case STRICT_CBOR_TEXT:
			return cbor_encode_string_start(item->number, out, size);
		case STRICT_CBOR_ARRAY:
			return cbor_encode_array_start(item->number, out, size);
		case STRICT_CBOR_MAP:
			return cbor_encode_map_start(item->number, out, size);
		case STRICT_CBOR_SIMPLE:
			break;
	}
	return *first == 0xf6 ? cbor_encode_null(out, size) : cbor_encode_bool(*first == 0xf5, out, size);
}

/* The flat sequence of items in a text that strict_cbor_skip() accepts is the text. */
static void
check_encoding(const uint8_t *data, size_t size)
{
	StrictCborReader reader = {data, size};

	while (reader.left > 0)
	{
		const uint8_t *first = reader.next;
		StrictCborItem item;
		uint8_t		head[9];
		size_t		length;

		MUST(strict_cbor_read(&reader, &item));
		length = write_head(&item, first, head, sizeof(head));
		MUST(length > 0 && memcmp(first, head, length) == 0);
		MUST(reader.next == first + length + item.bytes.length);
		if (item.bytes.data != NULL)
			MUST((const uint8_t *) item.bytes.data == first + length);
	}
}

static void
check_cbor(const uint8_t *data, size_t size)
{
	StrictCborReader reader = {data, size};
	size_t		used;
	size_t		i;

	if (!strict_cbor_skip(&reader))
		return;
	MUST(reader.left <= size && reader.next == data + (size - reader.left));
	used = size - reader.left;
	check_encoding(data, used);
	for (i = 0; i < used && used <= 64; i++)
	{
		StrictCborReader part = {data, i};

		MUST(!strict_cbor_skip(&part));
	}
}

static void
check_span(Span span, const uint8_t *data, size_t size)
{
	if (span.data == NULL)
		return;
	MUST((const uint8_t *) span.data >= data);
	MUST((const uint8_t *) span.data + span.length <= data + size);
}

static void
check_key(const CoseKey *key, const uint8_t *data, size_t size)
{
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];

	MUST(jose_alg_is_for(key->alg, JOSE_USE_VERIFY) && !jose_alg_is_symmetric(key->alg));
	check_span(key->x, data, size);
	check_span(key->y, data, size);
	check_span(key->n, data, size);
	check_span(key->e, data, size);
	MUST((key->alg == JOSE_ALG_RS256) == (key->n.data != NULL && key->e.data != NULL && key->x.data == NULL));
	MUST((key->alg == JOSE_ALG_ES256) == (key->y.data != NULL));
	if (cose_key_write_jwk(key, jwk, sizeof(jwk)))
		MUST(strlen(jwk) < sizeof(jwk) && jwk[strlen(jwk) - 1] == '}');
}

static void
check_data(const uint8_t *data, size_t size)
{
	Span		text = {(const char *) data, size};
	AuthenticatorData found;
	AuthenticatorData other;

	if (authenticator_data_read(text, &found) != WEBAUTHN_OK)
		return;
	check_span(found.credential_id, data, size);
	MUST((found.credential_id.data != NULL) == ((found.flags & AUTHENTICATOR_HAS_CREDENTIAL) != 0));
	MUST(found.credential_id.length <= CREDENTIAL_ID_MAX_LENGTH);
	if (found.credential_id.data != NULL)
		check_key(&found.key, data, size);
	text.length--;
	MUST(authenticator_data_read(text, &other) == WEBAUTHN_MALFORMED);
}

static void
check_object(const uint8_t *data, size_t size)
{
	Span		found;

	if (attestation_object_read((Span) {(const char *) data, size}, &found) != WEBAUTHN_OK)
		return;
	check_span(found, data, size);
	check_data((const uint8_t *) found.data, found.length);
	MUST(attestation_object_read((Span) {(const char *) data, size - 1}, &found) == WEBAUTHN_MALFORMED);
}

/* Nobody knows the private key of this point, which is the base point of P-256. */
static void
check_signature(FuzzInput *input)
{
	static JoseKey *key = NULL;
	size_t		length = fuzz_byte(input) % 80;
	Span		signature = {(const char *) input->data, length < input->length ? length : input->length};
	Span		rest = {(const char *) input->data + signature.length, input->length - signature.length};

	if (key == NULL)
	{
		JoseJwk		jwk = {
			.kty = span_of_string("EC"),.crv = span_of_string("P-256"),
			.x = span_of_string("axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY"),
			.y = span_of_string("T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU")
		};

		MUST(jose_key_import(&jwk, &key) == JOSE_OK);
	}
	if (signature.length > 0 && rest.length > 0)
		(void) assertion_verify(key, JOSE_ALG_ES256, rest, rest, signature);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	StrictCborReader reader;
	CoseKey		key;

	MUST(sodium_init() >= 0);
	switch (fuzz_byte(&input) % 5)
	{
		case 0:
			check_cbor(input.data, input.length);
			break;
		case 1:
			check_object(input.data, input.length);
			break;
		case 2:
			check_data(input.data, input.length);
			break;
		case 3:
			reader = (StrictCborReader) {input.data, input.length};
			if (cose_key_read(&reader, &key) == COSE_OK)
				check_key(&key, input.data, input.length);
			break;
		default:
			check_signature(&input);
	}
	return 0;
}
