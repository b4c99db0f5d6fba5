/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  The floor of signing and verifying: the cost of the library's own
 *	  function on the same bytes, in a backend.
 *
 * Keys are made once per backend, and contexts are made for each call, since
 * neither library promises that a used one may be used again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_MODULE_MAGIC;

#define MAX_SIGNATURE_LENGTH	512

static EVP_PKEY *ec_key;
static EVP_PKEY *rsa_key;
static unsigned char ed_public[crypto_sign_PUBLICKEYBYTES];
static unsigned char ed_secret[crypto_sign_SECRETKEYBYTES];
static bool ed_made;

/* The last verified message, so that it is signed only once. */
static struct
{
	EVP_PKEY   *key;
	text	   *message;
	unsigned char signature[MAX_SIGNATURE_LENGTH];
	size_t		length;
}			signed_message;

static void
check(bool done)
{
	if (!done)
		elog(ERROR, "the cryptographic library failed");
}

/* NULL for Ed25519, which uses libsodium. */
static EVP_PKEY *
get_key(const char *alg)
{
	if (strcmp(alg, "ES256") == 0)
	{
		if (ec_key == NULL)
			ec_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		check(ec_key != NULL);
		return ec_key;
	}
	if (strcmp(alg, "RS256") == 0)
	{
		if (rsa_key == NULL)
			rsa_key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
		check(rsa_key != NULL);
		return rsa_key;
	}
	if (strcmp(alg, "EdDSA") != 0)
		elog(ERROR, "there is no floor for %s", alg);
	if (!ed_made)
	{
		check(sodium_init() >= 0 && crypto_sign_keypair(ed_public, ed_secret) == 0);
		ed_made = true;
	}
	return NULL;
}

static size_t
sign(EVP_PKEY *key, const text *message, unsigned char *signature)
{
	const unsigned char *data = (const unsigned char *) VARDATA_ANY(message);
	size_t		length = VARSIZE_ANY_EXHDR(message);
	size_t		signature_length = MAX_SIGNATURE_LENGTH;
	EVP_MD_CTX *context;

	if (key == NULL)
	{
		check(crypto_sign_detached(signature, NULL, data, length, ed_secret) == 0);
		return crypto_sign_BYTES;
	}
	context = EVP_MD_CTX_new();
	check(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) > 0 &&
		  EVP_DigestSign(context, signature, &signature_length, data, length) > 0);
	EVP_MD_CTX_free(context);
	return signature_length;
}

static void
verify(EVP_PKEY *key, const text *message, const unsigned char *signature, size_t signature_length)
{
	const unsigned char *data = (const unsigned char *) VARDATA_ANY(message);
	size_t		length = VARSIZE_ANY_EXHDR(message);
	EVP_MD_CTX *context;

	if (key == NULL)
	{
		check(crypto_sign_verify_detached(signature, data, length, ed_public) == 0);
		return;
	}
	context = EVP_MD_CTX_new();
	check(context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) > 0 &&
		  EVP_DigestVerify(context, signature, signature_length, data, length) == 1);
	EVP_MD_CTX_free(context);
}

/*
 * floor_sign(alg text, message text, calls integer) RETURNS void
 *
 * Signs a message "calls" times.  alg: ES256, EdDSA, RS256 (2048 bits).
 */
PG_FUNCTION_INFO_V1(floor_sign);
Datum
floor_sign(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	text	   *message = PG_GETARG_TEXT_PP(1);
	unsigned char signature[MAX_SIGNATURE_LENGTH];
	int			i;

	for (i = 0; i < PG_GETARG_INT32(2); i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) sign(key, message, signature);
	}
	PG_RETURN_VOID();
}

static void
sign_once(EVP_PKEY *key, text *message)
{
	text	   *last = signed_message.message;

	if (last != NULL && signed_message.key == key && VARSIZE(last) == VARSIZE(message) &&
		memcmp(last, message, VARSIZE(message)) == 0)
		return;
	signed_message.key = key;
	signed_message.length = sign(key, message, signed_message.signature);
	if (last != NULL)
		pfree(last);
	signed_message.message = MemoryContextAlloc(TopMemoryContext, VARSIZE(message));
	memcpy(signed_message.message, message, VARSIZE(message));
}

/* floor_verify(alg text, message text, calls integer): verifies one signature "calls" times. */
PG_FUNCTION_INFO_V1(floor_verify);
Datum
floor_verify(PG_FUNCTION_ARGS)
{
	EVP_PKEY   *key = get_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	text	   *message = PG_GETARG_TEXT_P(1);
	int			i;

	sign_once(key, message);
	for (i = 0; i < PG_GETARG_INT32(2); i++)
	{
		CHECK_FOR_INTERRUPTS();
		verify(key, message, signed_message.signature, signed_message.length);
	}
	PG_RETURN_VOID();
}

/*
 * floor_verify_device(message text)
 *
 * Verifies one ES256 signature with a key that it first creates from a point, as
 * a login of a device does.
 */
PG_FUNCTION_INFO_V1(floor_verify_device);
Datum
floor_verify_device(PG_FUNCTION_ARGS)
{
	static unsigned char point[65];
	static size_t point_length = 0;
	EVP_PKEY   *key = get_key("ES256");
	text	   *message = PG_GETARG_TEXT_P(0);
	EVP_PKEY   *device_key = NULL;
	EVP_PKEY_CTX *context;
	OSSL_PARAM	params[3];

	sign_once(key, message);
	if (point_length == 0)
		check(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
											  sizeof(point), &point_length));
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, point_length);
	params[2] = OSSL_PARAM_construct_end();
	context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	check(context != NULL && EVP_PKEY_fromdata_init(context) > 0 &&
		  EVP_PKEY_fromdata(context, &device_key, EVP_PKEY_PUBLIC_KEY, params) > 0);
	verify(device_key, message, signed_message.signature, signed_message.length);
	EVP_PKEY_free(device_key);
	EVP_PKEY_CTX_free(context);
	PG_RETURN_VOID();
}

/* floor_password_hash(memory_kib integer, passes integer) RETURNS text: Argon2id. */
PG_FUNCTION_INFO_V1(floor_password_hash);
Datum
floor_password_hash(PG_FUNCTION_ARGS)
{
	char		hash[crypto_pwhash_STRBYTES];

	check(crypto_pwhash_str_alg(hash, "correct horse", 13, PG_GETARG_INT32(1),
								(size_t) PG_GETARG_INT32(0) * 1024,
								crypto_pwhash_ALG_ARGON2ID13) == 0);
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/* floor_uuid_v7() RETURNS uuid: ordered by time (RFC 9562, section 5.7), like our ids. */
PG_FUNCTION_INFO_V1(floor_uuid_v7);
Datum
floor_uuid_v7(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	uint64		milliseconds = (GetCurrentTimestamp() +
								(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / 1000;
	int			i;

	check(pg_strong_random(uuid->data, UUID_LEN));
	for (i = 0; i < 6; i++)
		uuid->data[i] = (unsigned char) (milliseconds >> (40 - 8 * i));
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x70;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
	PG_RETURN_UUID_P(uuid);
}
