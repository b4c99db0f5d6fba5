/*-------------------------------------------------------------------------
 *
 * device.c
 *	  Devices that sign requests and DPoP proofs, for the operations of devices.
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

#define COORDINATE_LENGTH	32

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

static char *
coordinate(EVP_PKEY *key, const char *name)
{
	BIGNUM	   *number = NULL;
	unsigned char bytes[COORDINATE_LENGTH];

	check(EVP_PKEY_get_bn_param(key, name, &number) &&
		  BN_bn2binpad(number, bytes, sizeof(bytes)) == sizeof(bytes));
	BN_free(number);
	return base64url(bytes, sizeof(bytes));
}

static char *
es256(EVP_PKEY *key, const char *input)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char der[128];
	const unsigned char *read = der;
	unsigned char signature[2 * COORDINATE_LENGTH];
	size_t		length = sizeof(der);
	ECDSA_SIG  *pair;

	check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) > 0 &&
		  EVP_DigestSign(context, der, &length, (const unsigned char *) input, strlen(input)) > 0);
	EVP_MD_CTX_free(context);
	pair = d2i_ECDSA_SIG(NULL, &read, length);
	check(pair != NULL &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, COORDINATE_LENGTH) > 0 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + COORDINATE_LENGTH, COORDINATE_LENGTH) > 0);
	ECDSA_SIG_free(pair);
	return base64url(signature, sizeof(signature));
}

/*
 * device_request(key bytea, challenge text, action text, with_jwk boolean) RETURNS text
 *
 * A request JWT (docs/authgear.md, 1.2), signed with ES256.
 */
PG_FUNCTION_INFO_V1(device_request);
Datum
device_request(PG_FUNCTION_ARGS)
{
	bytea	   *der = PG_GETARG_BYTEA_PP(0);
	const unsigned char *read = (const unsigned char *) VARDATA_ANY(der);
	EVP_PKEY   *key = d2i_AutoPrivateKey(NULL, &read, VARSIZE_ANY_EXHDR(der));
	char	   *x;
	char	   *y;
	StringInfoData header;
	char	   *payload;
	char	   *input;

	check(key != NULL);
	x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
	y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
	initStringInfo(&header);
	appendStringInfo(&header, "{\"alg\":\"ES256\",\"typ\":\"vnd.authgear.anonymous-request\",\"kid\":\"%s\"", x);
	if (PG_GETARG_BOOL(3))
		appendStringInfo(&header, ",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", x, x, y);
	appendStringInfoChar(&header, '}');
	payload = psprintf("{\"challenge\":\"%s\",\"action\":\"%s\"}",
					   text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)));
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
	bytea	   *der = PG_GETARG_BYTEA_PP(0);
	char	   *token = text_to_cstring(PG_GETARG_TEXT_PP(2));
	const unsigned char *read = (const unsigned char *) VARDATA_ANY(der);
	EVP_PKEY   *key = d2i_AutoPrivateKey(NULL, &read, VARSIZE_ANY_EXHDR(der));
	unsigned char jti[16];
	unsigned char hash[crypto_hash_sha256_BYTES];
	char	   *header;
	char	   *payload;
	char	   *input;

	check(key != NULL);
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
