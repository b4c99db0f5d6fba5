/*-------------------------------------------------------------------------
 *
 * device.c
 *	  Devices that sign requests, DPoP proofs and responses for passkeys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#define COORDINATE_LENGTH	32
#define MAX_DER_LENGTH		128

/* The site of passkeys: that of the default settings. */
#define RP_ID				"localhost"
#define ORIGIN				"http://localhost"

static void
check(bool done)
{
	if (!done)
		elog(ERROR, "the cryptographic library failed");
}

/* device_key() RETURNS bytea: a new P-256 key, in DER. */
PG_FUNCTION_INFO_V1(device_key);
Datum
device_key(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	unsigned char *der = NULL;
	int			length;
	bytea	   *result;

	check(key != NULL && (length = i2d_PrivateKey(key, &der)) > 0);
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), der, length);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	PG_RETURN_BYTEA_P(result);
}

static char *
base64url(const void *data, size_t length)
{
	size_t		size = sodium_base64_encoded_len(length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

	return sodium_bin2base64(palloc(size), size, data, length,
							 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void
get_coordinate(EVP_PKEY *key, const char *name, unsigned char bytes[COORDINATE_LENGTH])
{
	BIGNUM	   *number = NULL;

	check(EVP_PKEY_get_bn_param(key, name, &number) &&
		  BN_bn2binpad(number, bytes, COORDINATE_LENGTH) == COORDINATE_LENGTH);
	BN_free(number);
}

static char *
coordinate(EVP_PKEY *key, const char *name)
{
	unsigned char bytes[COORDINATE_LENGTH];

	get_coordinate(key, name, bytes);
	return base64url(bytes, sizeof(bytes));
}

/* The key of an argument. */
static EVP_PKEY *
get_key(bytea *der)
{
	const unsigned char *read = (const unsigned char *) VARDATA_ANY(der);
	EVP_PKEY   *key = d2i_AutoPrivateKey(NULL, &read, VARSIZE_ANY_EXHDR(der));

	check(key != NULL);
	return key;
}

/* Sign with ES256, and return the length of the signature in DER. */
static size_t
sign_der(EVP_PKEY *key, const void *input, size_t input_length, unsigned char der[MAX_DER_LENGTH])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		length = MAX_DER_LENGTH;

	check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) > 0 &&
		  EVP_DigestSign(context, der, &length, input, input_length) > 0);
	EVP_MD_CTX_free(context);
	return length;
}

static char *
es256(EVP_PKEY *key, const char *input)
{
	unsigned char der[MAX_DER_LENGTH];
	const unsigned char *read = der;
	unsigned char signature[2 * COORDINATE_LENGTH];
	ECDSA_SIG  *pair = d2i_ECDSA_SIG(NULL, &read, sign_der(key, input, strlen(input), der));

	check(pair != NULL &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, COORDINATE_LENGTH) > 0 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + COORDINATE_LENGTH, COORDINATE_LENGTH) > 0);
	ECDSA_SIG_free(pair);
	return base64url(signature, sizeof(signature));
}

/*
 * device_request(key bytea, challenge text, action text, with_jwk boolean) RETURNS text
 *
 * A request JWT (docs/authgear.md, 1.2), signed with ES256.  action: auth or promote of a
 * guest, setup or authenticate of an account.
 */
PG_FUNCTION_INFO_V1(device_request);
Datum
device_request(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(PG_GETARG_BYTEA_PP(0));
	char	   *x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
	char	   *y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
	char	   *action = text_to_cstring(PG_GETARG_TEXT_PP(2));
	bool		of_account = strcmp(action, "setup") == 0 || strcmp(action, "authenticate") == 0;
	StringInfoData header;
	char	   *payload;
	char	   *input;

	initStringInfo(&header);
	appendStringInfo(&header, "{\"alg\":\"ES256\",\"typ\":\"vnd.authgear.%s-request\",\"kid\":\"%s\"",
					 of_account ? "biometric" : "anonymous", x);
	if (PG_GETARG_BOOL(3))
		appendStringInfo(&header, ",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", x, x, y);
	appendStringInfoChar(&header, '}');
	payload = psprintf("{\"challenge\":\"%s\",\"action\":\"%s\"}",
					   text_to_cstring(PG_GETARG_TEXT_PP(1)), action);
	input = psprintf("%s.%s", base64url(header.data, header.len), base64url(payload, strlen(payload)));
	input = psprintf("%s.%s", input, es256(key, input));
	EVP_PKEY_free(key);
	PG_RETURN_TEXT_P(cstring_to_text(input));
}

/*
 * dpop_proof(key bytea, uri text, access_token text) RETURNS text
 *
 * A DPoP proof (RFC 9449) for a POST, signed with ES256.  access_token '': without ath.
 */
PG_FUNCTION_INFO_V1(dpop_proof);
Datum
dpop_proof(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(PG_GETARG_BYTEA_PP(0));
	char	   *token = text_to_cstring(PG_GETARG_TEXT_PP(2));
	unsigned char jti[16];
	unsigned char hash[crypto_hash_sha256_BYTES];
	char	   *header;
	char	   *payload;
	char	   *input;

	randombytes_buf(jti, sizeof(jti));
	crypto_hash_sha256(hash, (const unsigned char *) token, strlen(token));
	header = psprintf("{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}}",
					  coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X), coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y));
	payload = psprintf("{\"iat\":%lld,\"jti\":\"%s\",\"htm\":\"POST\",\"htu\":\"%s\"%s}",
					   (long long) time(NULL), base64url(jti, sizeof(jti)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
					   token[0] == '\0' ? "" : psprintf(",\"ath\":\"%s\"", base64url(hash, sizeof(hash))));
	input = psprintf("%s.%s", base64url(header, strlen(header)), base64url(payload, strlen(payload)));
	input = psprintf("%s.%s", input, es256(key, input));
	EVP_PKEY_free(key);
	PG_RETURN_TEXT_P(cstring_to_text(input));
}

/* ---- passkeys ---- */

/* Append the hash of the RP ID, the flags UP, UV and more, and a counter of 0. */
static void
append_authenticator_data(StringInfo data, uint8 more)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *) RP_ID, strlen(RP_ID));
	appendBinaryStringInfo(data, (char *) hash, sizeof(hash));
	appendStringInfoChar(data, (char) (0x05 | more));
	appendBinaryStringInfo(data, "\0\0\0\0", 4);
}

static char *
client_data(const char *type, const char *challenge)
{
	return psprintf("{\"type\":\"webauthn.%s\",\"challenge\":\"%s\",\"origin\":\"" ORIGIN "\",\"crossOrigin\":false}",
					type, challenge);
}

static Datum
response(const char *id, const char *members)
{
	return CStringGetTextDatum(psprintf("{\"id\":\"%s\",\"rawId\":\"%s\",\"type\":\"public-key\",\"clientExtensionResults\":{},\"response\":{%s}}",
										id, id, members));
}

/*
 * passkey_creation(key bytea, challenge text) RETURNS text
 *
 * The response to create().  The id of the credential is the x coordinate of the key.
 */
PG_FUNCTION_INFO_V1(passkey_creation);
Datum
passkey_creation(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(PG_GETARG_BYTEA_PP(0));
	char	   *client = client_data("create", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	unsigned char x[COORDINATE_LENGTH];
	unsigned char y[COORDINATE_LENGTH];
	StringInfoData data;
	StringInfoData object;

	get_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, x);
	get_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, y);
	EVP_PKEY_free(key);
	initStringInfo(&data);
	append_authenticator_data(&data, 0x40);
	appendStringInfoSpaces(&data, 16);	/* the AAGUID: any */
	appendBinaryStringInfo(&data, "\0\x20", 2);
	appendBinaryStringInfo(&data, (char *) x, sizeof(x));
	appendBinaryStringInfo(&data, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10);
	appendBinaryStringInfo(&data, (char *) x, sizeof(x));
	appendBinaryStringInfo(&data, "\x22\x58\x20", 3);
	appendBinaryStringInfo(&data, (char *) y, sizeof(y));
	initStringInfo(&object);
	appendBinaryStringInfo(&object, "\xa3\x63" "fmt" "\x64" "none" "\x67" "attStmt" "\xa0\x68" "authData" "\x58", 29);
	appendStringInfoChar(&object, (char) data.len);
	appendBinaryStringInfo(&object, data.data, data.len);
	return response(base64url(x, sizeof(x)),
					psprintf("\"clientDataJSON\":\"%s\",\"attestationObject\":\"%s\",\"transports\":[\"internal\"]",
							 base64url(client, strlen(client)), base64url(object.data, object.len)));
}

/* passkey_assertion(key bytea, challenge text, user_id uuid) RETURNS text: to get(). */
PG_FUNCTION_INFO_V1(passkey_assertion);
Datum
passkey_assertion(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(PG_GETARG_BYTEA_PP(0));
	char	   *client = client_data("get", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	char	   *id = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
	unsigned char hash[crypto_hash_sha256_BYTES];
	unsigned char der[MAX_DER_LENGTH];
	StringInfoData data;
	char	   *data_text;
	size_t		length;

	initStringInfo(&data);
	append_authenticator_data(&data, 0);
	data_text = base64url(data.data, data.len);
	crypto_hash_sha256(hash, (const unsigned char *) client, strlen(client));
	appendBinaryStringInfo(&data, (char *) hash, sizeof(hash));
	length = sign_der(key, data.data, data.len, der);
	EVP_PKEY_free(key);
	return response(id,
					psprintf("\"clientDataJSON\":\"%s\",\"authenticatorData\":\"%s\",\"signature\":\"%s\",\"userHandle\":\"%s\"",
							 base64url(client, strlen(client)), data_text, base64url(der, length),
							 base64url(PG_GETARG_UUID_P(2)->data, UUID_LEN)));
}
