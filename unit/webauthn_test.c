/*-------------------------------------------------------------------------
 *
 * webauthn_test.c
 *	  Unit tests of src/webauthn, which run without a server.
 *
 * A plain program that prints TAP and exits with 1 if a test failed.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "jose/key.h"
#include "webauthn/assertion.h"
#include "webauthn/authenticator_data.h"
#include "webauthn/cose_key.h"
#include "webauthn/strict_cbor.h"
#include "webauthn_vectors.h"

static int	test_count = 0;
static int	failure_count = 0;

static void
ok(bool condition, const char *name, const char *detail)
{
	printf("%sok %d - %s: %s\n", condition ? "" : "not ", ++test_count, name, detail);
	if (!condition)
		failure_count++;
}

/* Memory of exactly this size, so that a sanitizer sees a read behind its end. */
static Span
from_hex(const char *hex)
{
	size_t		length = strlen(hex) / 2;
	uint8_t    *bytes = malloc(length + (length == 0));
	size_t		i;

	for (i = 0; i < length; i++)
	{
		unsigned	byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		bytes[i] = (uint8_t) byte;
	}
	return (Span) {(char *) bytes, length};
}

static Span
copy_of(Span span, size_t length)
{
	char	   *bytes = malloc(length + (length == 0));

	memcpy(bytes, span.data, length);
	return (Span) {bytes, length};
}

static void
free_span(Span span)
{
	free((void *) span.data);
}

/* ---- CBOR ---- */

/* Whether the whole text is one item in the strict form. */
static bool
is_strict(const char *hex)
{
	Span		text = from_hex(hex);
	StrictCborReader reader = {(const uint8_t *) text.data, text.length};
	bool		result = strict_cbor_skip(&reader) && reader.left == 0;

	free_span(text);
	return result;
}

static void
test_cbor(void)
{
	static const char *const strict[] = {
		"00", "17", "1818", "18ff", "190100", "19ffff", "1a00010000", "1b0000000100000000",
		"20", "3818", "390100", "40", "4100", ("5818" "010101010101010101010101010101010101010101010101"),
		"60", "6161", "62c3bc", "80", "8101", "8180", "a0", "a10102", "a201020304", "a2012002f5",
		"a201022003", "a2616101616202", "a2616201626161f6", "a301000200616100", "f4", "f5", "f6"
	};
	static const char *const refused[] = {
		"", "1800", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800", "7800",
		"9800", "b800", "18", "1901", "41", "6261", "61ff", "62c0af", "63eda080",
		"81", "a101", "a1", "9f01ff", "bf0102ff", "5f4100ff", "7f6100ff", "c000", "c1190000",
		"d9d9f700", "f7", "f0", "f818", "f90000", "fa00000000", "fb0000000000000000", "ff", "1c",
		"a201020102", "a203040102", "a220030102", "a2616201616102", "a2626161016162f6",
		"a1810102", "a140f6", "a1f500", "0000",
		"9bffffffffffffffff", "bbffffffffffffffff", "5bffffffffffffffff", "7bffffffffffffffff",
		"9affffffff00", "81818181818181818100"
	};
	size_t		i;

	for (i = 0; i < sizeof(strict) / sizeof(strict[0]); i++)
		ok(is_strict(strict[i]), "strict CBOR", strict[i]);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		ok(!is_strict(refused[i]), "refused CBOR", refused[i]);
	ok(is_strict("818181818181" "00"), "nested arrays", "as deep as allowed");
	ok(!is_strict("81818181818181" "00"), "nested arrays", "too deep");
}

/* ---- keys ---- */

#define X	"65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
#define Y	"1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"

static CoseStatus
read_key(const char *hex)
{
	Span		text = from_hex(hex);
	StrictCborReader reader = {(const uint8_t *) text.data, text.length};
	CoseKey		key;
	CoseStatus	status = cose_key_read(&reader, &key);

	free_span(text);
	return status == COSE_OK && reader.left != 0 ? COSE_MALFORMED : status;
}

static void
test_keys(void)
{
	ok(read_key("a5010203262001215820" X "225820" Y) == COSE_OK, "key", "ES256");
	ok(read_key("a4010103272006215820" X) == COSE_OK, "key", "EdDSA");
	ok(read_key("a401030339010020420101" "2143010001") == COSE_OK, "key", "RS256");
	ok(read_key("a501020338222002215820" X "225820" Y) == COSE_UNSUPPORTED, "key", "ES384");
	ok(read_key("a401010326" "2006215820" X) == COSE_MALFORMED, "key", "ES256 of an OKP key");
	ok(read_key("a5010203272001215820" X "225820" Y) == COSE_MALFORMED, "key", "EdDSA of an EC key");
	ok(read_key("a5010203390100" "2001215820" X "225820" Y) == COSE_MALFORMED, "key", "RS256 of an EC key");
	ok(read_key("a5010203262002215820" X "225820" Y) == COSE_MALFORMED, "key", "ES256 on another curve");
	ok(read_key("a4010103272007215820" X) == COSE_MALFORMED, "key", "EdDSA on another curve");
	ok(read_key("a5010203262001215820" X "22f5") == COSE_MALFORMED, "key", "compressed point");
	ok(read_key("a50102032620012158" "1f" X "225820" Y) == COSE_MALFORMED, "key", "short coordinate");
	ok(read_key("a401022001215820" X "225820" Y) == COSE_MALFORMED, "key", "no alg");
	ok(read_key("a6010203260481022001215820" X "225820" Y) == COSE_MALFORMED, "key", "another member");
	ok(read_key("a5030226" "012001215820" X "225820" Y) == COSE_MALFORMED, "key", "order");
	ok(read_key("a4010303390100" "2040" "2143010001") == COSE_MALFORMED, "key", "empty modulus");
	ok(read_key("80") == COSE_MALFORMED, "key", "an array");
}

static void
test_jwk(void)
{
	Span		text = from_hex("a401030339010020420101" "2143010001");
	StrictCborReader reader = {(const uint8_t *) text.data, text.length};
	char		buffer[64];
	CoseKey		key;

	ok(cose_key_read(&reader, &key) == COSE_OK &&
	   cose_key_write_jwk(&key, buffer, sizeof(buffer)) &&
	   strcmp(buffer, "{\"kty\":\"RSA\",\"n\":\"AQE\",\"e\":\"AQAB\"}") == 0, "JWK", buffer);
	ok(!cose_key_write_jwk(&key, buffer, 20) && strlen(buffer) < 20, "JWK", "no room");
	free_span(text);
}

/* ---- the vectors of the specification ---- */

/* A public key of the JWK that cose_key_write_jwk() writes, or NULL. */
static JoseKey *
import_key(const CoseKey *cose)
{
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	JoseJwk		members = {0};
	JoseKey    *key = NULL;
	char	   *member = jwk;
	struct
	{
		const char *name;
		Span	   *span;
	}			names[] = {
		{"\"kty\":\"", &members.kty}, {"\"crv\":\"", &members.crv}, {"\"x\":\"", &members.x},
		{"\"y\":\"", &members.y}, {"\"n\":\"", &members.n}, {"\"e\":\"", &members.e}
	};
	size_t		i;

	if (!cose_key_write_jwk(cose, jwk, sizeof(jwk)))
		return NULL;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((member = strstr(jwk, names[i].name)) != NULL)
		{
			member += strlen(names[i].name);
			*names[i].span = (Span) {member, strcspn(member, "\"")};
		}
	if (jose_key_import(&members, &key) != JOSE_OK)
		return NULL;
	return key;
}

/* No prefix of the text, and no longer text, is accepted. */
static void
check_length(const char *name, Span text, bool is_object)
{
	size_t		length;
	size_t		accepted = 0;
	AuthenticatorData data;
	Span		found;

	for (length = 0; length < text.length; length++)
	{
		Span		part = copy_of(text, length);

		accepted += (is_object ? attestation_object_read(part, &found) :
					 authenticator_data_read(part, &data)) != WEBAUTHN_MALFORMED;
		free_span(part);
	}
	ok(accepted == 0, is_object ? "shortened object" : "shortened data", name);
}

static void
check_signature(const struct Vector *vector, const JoseKey *key, JoseAlg alg)
{
	Span		data = from_hex(vector->authenticator_data);
	Span		client_data = from_hex(vector->client_data);
	Span		signature = from_hex(vector->signature);
	char	   *bytes = (char *) signature.data;
	size_t		accepted = 0;
	size_t		i;

	ok(assertion_verify(key, alg, data, client_data, signature) == JOSE_OK, "signature", vector->name);
	for (i = 0; i < 8 * signature.length; i++)
	{
		bytes[i / 8] ^= (char) (1 << i % 8);
		accepted += assertion_verify(key, alg, data, client_data, signature) == JOSE_OK;
		bytes[i / 8] ^= (char) (1 << i % 8);
	}
	ok(accepted == 0, "changed signature", vector->name);
	((char *) data.data)[32] ^= AUTHENTICATOR_USER_VERIFIED;
	ok(assertion_verify(key, alg, data, client_data, signature) == JOSE_BAD_SIGNATURE,
	   "changed flags", vector->name);
	((char *) data.data)[32] ^= AUTHENTICATOR_USER_VERIFIED;
	((char *) client_data.data)[10] ^= 1;
	ok(assertion_verify(key, alg, data, client_data, signature) == JOSE_BAD_SIGNATURE,
	   "changed client data", vector->name);
	free_span(data);
	free_span(client_data);
	free_span(signature);
}

static void
test_vector(const struct Vector *vector)
{
	Span		object = from_hex(vector->attestation_object);
	Span		assertion = from_hex(vector->authenticator_data);
	bool		is_supported = strstr(vector->name, "ES384") == NULL &&
		strstr(vector->name, "ES512") == NULL && strstr(vector->name, "Ed448") == NULL;
	AuthenticatorData data;
	AuthenticatorData login;
	JoseKey    *key = NULL;
	Span		text;

	ok(attestation_object_read(object, &text) == WEBAUTHN_OK, "registration", vector->name);
	ok(authenticator_data_read(text, &data) == (is_supported ? WEBAUTHN_OK : WEBAUTHN_UNSUPPORTED),
	   "its authenticator data", vector->name);
	ok(data.credential_id.length == (strstr(vector->name, "very long") != NULL ? 1023 : 32),
	   "its credential id", vector->name);
	ok(authenticator_data_read(assertion, &login) == WEBAUTHN_OK && login.credential_id.data == NULL &&
	   memcmp(login.rp_id_hash, data.rp_id_hash, RP_ID_HASH_LENGTH) == 0 &&
	   (login.flags & AUTHENTICATOR_USER_PRESENT) != 0, "login", vector->name);
	check_length(vector->name, object, true);
	check_length(vector->name, assertion, false);
	if (is_supported)
	{
		key = import_key(&data.key);
		ok(key != NULL, "key", vector->name);
	}
	if (key != NULL)
		check_signature(vector, key, data.key.alg);
	jose_key_free(key);
	free_span(object);
	free_span(assertion);
}

static void
test_data(void)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	static const struct
	{
		const char *rest;
		bool		is_valid;
	}			cases[] = {
		{"0100000001", true},
		{"010000000100", false},	/* more bytes than the flags say */
		{"8100000001", false},
		{"8100000001a0", true},
		{"8100000001a16b6372656450726f7465637402", true},
		{"8100000001a0a0", false},
		{"810000000180", false},	/* extensions are a map */
		{"8100000001bfff", false},
		{"4100000001", false},
		{"4100000001" "00000000000000000000000000000000" "0000" "a0", false},
	};
	char		hex[256];
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		AuthenticatorData data;
		Span		text;

		snprintf(hex, sizeof(hex), "%s%s", zeros, cases[i].rest);
		text = from_hex(hex);
		ok((authenticator_data_read(text, &data) == WEBAUTHN_OK) == cases[i].is_valid,
		   "authenticator data", cases[i].rest);
		ok(!cases[i].is_valid || data.sign_count == 1, "counter", cases[i].rest);
		free_span(text);
	}
}

static void
test_objects(void)
{
	static const char *const refused[] = {
		"a363666d74646e6f6e656761747453746d74a1616100686175746844617461" "4100",
		"a363666d74646e6f6e656761747453746d7480686175746844617461" "4100",
		"a363666d74646e6f6e65686175746844617461" "41006761747453746d74a0",
		"a363666d74667061636b65646761747453746d7400686175746844617461" "4100",
		"a363666d74646e6f6e656761747453746d74a0686175746844617461" "6100",
		"a363666d74646e6f6e656761747453746d74a0686175746844617461" "410000",
		"a263666d74646e6f6e656761747453746d74a0",
		"a463666d74646e6f6e656761747453746d74a0686175746844617461" "410068" "626262626262626200",
		"00", ""
	};
	size_t		i;
	Span		data;
	Span		text = from_hex("a363666d74646e6f6e656761747453746d74a0686175746844617461" "4100");

	ok(attestation_object_read(text, &data) == WEBAUTHN_OK && data.length == 1, "object", "none");
	free_span(text);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		text = from_hex(refused[i]);
		ok(attestation_object_read(text, &data) == WEBAUTHN_MALFORMED, "refused object", refused[i]);
		free_span(text);
	}
}

int
main(void)
{
	size_t		i;

	if (sodium_init() < 0)
		return 1;
	test_cbor();
	test_keys();
	test_jwk();
	test_data();
	test_objects();
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		test_vector(&vectors[i]);
	printf("1..%d\n", test_count);
	return failure_count > 0;
}
