/*-------------------------------------------------------------------------
 *
 * cose_key.c
 *	  Public keys of authenticators: COSE_Key (RFC 9052, RFC 9053), as WebAuthn restricts
 *	  it.
 *
 *-------------------------------------------------------------------------
 */
#include "webauthn/cose_key.h"

#include <string.h>

/* Labels of members.  Negative ones have another meaning for each key type. */
#define LABEL_KTY		1
#define LABEL_ALG		3
#define LABEL_CRV		(-1)	/* EC and OKP; n of RSA */
#define LABEL_X			(-2)	/* EC and OKP; e of RSA */
#define LABEL_Y			(-3)	/* EC */

#define KTY_OKP			1
#define KTY_EC			2
#define KTY_RSA			3

#define CRV_P256		1
#define CRV_ED25519		6

#define COORDINATE_LENGTH	32	/* of both curves */

#define COSE_NUMBER(number, alg)	number,

const int	cose_algorithms[] = {COSE_ALGORITHMS(COSE_NUMBER)};
const int	cose_algorithm_count = sizeof(cose_algorithms) / sizeof(cose_algorithms[0]);

static bool
get_integer(const StrictCborItem *item, int64_t *value)
{
	if (item->number > INT32_MAX)
		return false;
	*value = item->type == STRICT_CBOR_NEGATIVE ? -1 - (int64_t) item->number :
		(int64_t) item->number;
	return item->type == STRICT_CBOR_UNSIGNED || item->type == STRICT_CBOR_NEGATIVE;
}

/* Read the next member of the map, which must have this label, and be an integer. */
static bool
read_integer(StrictCborReader *reader, StrictCborKeys *keys, int64_t label, int64_t *value)
{
	StrictCborItem key;
	StrictCborItem item;
	int64_t		found;

	return strict_cbor_read_key(reader, keys, &key) && get_integer(&key, &found) &&
		found == label && strict_cbor_read(reader, &item) && get_integer(&item, value);
}

/* Same for bytes.  length 0: of any length but 0. */
static bool
read_bytes(StrictCborReader *reader, StrictCborKeys *keys, int64_t label, size_t length,
		   Span *bytes)
{
	StrictCborItem key;
	StrictCborItem item;
	int64_t		found;

	if (!strict_cbor_read_key(reader, keys, &key) || !get_integer(&key, &found) ||
		found != label || !strict_cbor_read(reader, &item) || item.type != STRICT_CBOR_BYTES)
		return false;
	*bytes = item.bytes;
	return length == 0 ? bytes->length > 0 : bytes->length == length;
}

/* Read the members after "alg", of which the order of the map leaves one possible order. */
static bool
read_members(StrictCborReader *reader, StrictCborKeys *keys, int64_t kty, CoseKey *key)
{
	int64_t		curve;

	switch (key->alg)
	{
		case JOSE_ALG_ES256:
			return kty == KTY_EC && read_integer(reader, keys, LABEL_CRV, &curve) &&
				curve == CRV_P256 &&
				read_bytes(reader, keys, LABEL_X, COORDINATE_LENGTH, &key->x) &&
				read_bytes(reader, keys, LABEL_Y, COORDINATE_LENGTH, &key->y);
		case JOSE_ALG_EDDSA:
			return kty == KTY_OKP && read_integer(reader, keys, LABEL_CRV, &curve) &&
				curve == CRV_ED25519 &&
				read_bytes(reader, keys, LABEL_X, COORDINATE_LENGTH, &key->x);
		default:
			return kty == KTY_RSA && read_bytes(reader, keys, LABEL_CRV, 0, &key->n) &&
				read_bytes(reader, keys, LABEL_X, 0, &key->e);
	}
}

/* The number of members of a key for an algorithm. */
static uint64_t
count_members(JoseAlg alg)
{
	return alg == JOSE_ALG_ES256 ? 5 : 4;
}

static JoseAlg
find_algorithm(int64_t number)
{
#define COSE_CASE(cose, alg) case cose: return JOSE_ALG_##alg;
	switch (number)
	{
			COSE_ALGORITHMS(COSE_CASE)
		default:
			return JOSE_ALG_UNKNOWN;
	}
}

CoseStatus
cose_key_read(StrictCborReader *reader, CoseKey *key)
{
	StrictCborReader whole = *reader;
	StrictCborKeys keys = {{0}};
	StrictCborItem map;
	int64_t		kty;
	int64_t		alg;

	memset(key, 0, sizeof(CoseKey));
	if (!strict_cbor_skip(&whole) ||
		!strict_cbor_read(reader, &map) || map.type != STRICT_CBOR_MAP ||
		!read_integer(reader, &keys, LABEL_KTY, &kty) ||
		!read_integer(reader, &keys, LABEL_ALG, &alg))
		return COSE_MALFORMED;
	key->alg = find_algorithm(alg);
	if (key->alg == JOSE_ALG_UNKNOWN)
		return COSE_UNSUPPORTED;
	if (map.number != count_members(key->alg) || !read_members(reader, &keys, kty, key))
		return COSE_MALFORMED;
	return COSE_OK;
}

/* ---- as a JWK ---- */

static void
write_member(JwkWriter *writer, const char *name, Span bytes)
{
	jwk_write_text(writer, ",\"");
	jwk_write_text(writer, name);
	jwk_write_text(writer, "\":\"");
	jwk_write_base64url(writer, (const uint8_t *) bytes.data, bytes.length);
	jwk_write_text(writer, "\"");
}

bool
cose_key_write_jwk(const CoseKey *key, char *buffer, size_t size)
{
	JwkWriter	writer = {buffer, size - 1, false};

	switch (key->alg)
	{
		case JOSE_ALG_ES256:
			jwk_write_text(&writer, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
			write_member(&writer, "x", key->x);
			write_member(&writer, "y", key->y);
			break;
		case JOSE_ALG_EDDSA:
			jwk_write_text(&writer, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"");
			write_member(&writer, "x", key->x);
			break;
		default:
			jwk_write_text(&writer, "{\"kty\":\"RSA\"");
			write_member(&writer, "n", key->n);
			write_member(&writer, "e", key->e);
	}
	jwk_write_text(&writer, "}");
	*writer.next = '\0';
	return !writer.overflow;
}
